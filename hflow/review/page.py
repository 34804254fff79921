"""The page on which a person judges frames: pictures, keys, and the verdicts as CSV."""

from pathlib import Path
from typing import Any

from hflow.foundation.hashes import fingerprint
from hflow.reports.html_parts import PICTURE_BYTES, class_colours, count, picture_uris, write_page
from hflow.review.frames import Review, ReviewFrame

__all__ = ["PAGE", "write_review_page"]

PAGE = "index.html"

MEASURES = {
    "consistency": ("consistent", "how far the judge sees the same before and after"),
    "ssim": ("similar", "SSIM"),
}


def write_review_page(review: Review, folder: Path, *, destination: Path) -> Path:
    """Write index.html, one file with everything in it.

    Args:
        review: the frames to judge.
        folder: where to write; what else is in it stays.
        destination: the file that the verdicts belong into, for the page to name.

    Returns:
        The page.
    """
    colours = class_colours(review.classes)
    budget = PICTURE_BYTES // len(review.rows)
    frames = [_shown(frame, budget) for frame in review.frames()]
    what, _ = MEASURES[review.measure]
    left = review.total - review.judged
    of = f"{count(left)} frames" + (" without a verdict" if review.judged else "")
    said = f"The {count(len(frames))} least {what} of {of}, the least first."
    values = {
        "title": f"Review of {review.translated}",
        "verdict": said if len(frames) < left else f"All {of}, the least {what} first.",
        "by": MEASURES[review.measure][1],
        "judged": review.judged,
        "frames": frames,
        "legend": [(name, f"#{bytes(colours[i]).hex()}") for i, name in enumerate(review.classes)],
        "destination": destination.as_posix(),
        # What a browser keeps of a review belongs to these images alone.
        "mark": fingerprint([[row["split"], row["key"], row["image_sha256"]] for row in review.rows])[:16],
    }
    page = folder / PAGE
    write_page("review.html.j2", values, page)
    return page


def _shown(frame: ReviewFrame, budget: int) -> dict[str, Any]:
    height, width = frame.source.shape[:2]
    made = picture_uris(frame.pictures, None, (), budget)
    pictures = [(name, uri) for name, uri in made.items() if uri]
    return {"row": frame.row, "image": frame.image, "pictures": pictures, "width": width, "height": height}
