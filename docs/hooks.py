"""The papers at the root of the repository as pages of the site; links between them and docs/ hold in both places."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAPERS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "CITATION.cff")
ROOT = Path(__file__).parents[1]

_TO_ROOT = re.compile(rf"\]\(((?:\.\./)*)\.\./({'|'.join(re.escape(name) for name in PAPERS)})(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the papers, as if they lay in docs/."""
    for name in PAPERS:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links as the site has them: docs/ is its root, and the papers lie there too."""
    if page.file.src_uri in PAPERS:
        return markdown.replace("](docs/", "](")
    return _TO_ROOT.sub(r"](\1\2", markdown)
