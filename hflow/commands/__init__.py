"""What can be typed after `hflow`: a command a file, arguments in, one line of outcome out.

It imports every other room.
"""
