#!/usr/bin/env python3
"""Builds the site: the Markdown files of the repository as pages, and the reference of the public headers.

Usage: site.py OUTPUT [ROOT]    needs mkdocs, its theme material, and doxygen; no network

Every Markdown file that git knows is a page, from where it lies. A link to a public header leads to the reference, one
to another file of the repository to that file. Ends with 1, and a line for each, when a public name has no comment,
when a page is not in the navigation, when a link or an anchor leads nowhere, and when a page would load something from
elsewhere. site_test.py feeds it bad documents.
"""

import html.parser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from typing import Iterator

HERE = pathlib.Path(__file__).resolve().parent
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#:\s]+)(#[^)]*)?\)")


def tracked(root: pathlib.Path) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root,
                            capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def reference_page(header: str) -> str:
    """Doxygen's page of include/roost/HEADER."""
    return "reference/" + pathlib.PurePath(header).name.replace("_", "__").replace(".", "_8") + ".html"


def target_of(root: pathlib.Path, page: str, link: str) -> str | None:
    """The file of the site that `link` on `page` means, from the root. None: there is none; the text stays."""
    path = os.path.normpath(os.path.join(os.path.dirname(page), link))
    if (root / path / "README.md").is_file():
        return os.path.join(path, "README.md")
    if re.fullmatch(r"include/roost/\w+\.h", path) and (root / path).is_file():
        return reference_page(path)
    # mkdocs takes no hidden file along.
    return None if (root / path).is_dir() or "/." in f"/{path}" else path


def stage(root: pathlib.Path, docs: pathlib.Path) -> list[str]:
    """Puts the pages into `docs`, and the files that they lead to. Returns the pages."""
    pages = [name for name in tracked(root) if name.endswith(".md")]
    for page in pages:
        def link(match: re.Match) -> str:
            text, path, anchor = match.groups()
            target = target_of(root, page, path)
            if target is None:
                return text
            if not target.startswith("reference/") and not target.endswith(".md") and (root / target).is_file():
                (docs / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / target, docs / target)
            return f"[{text}]({os.path.relpath(target, os.path.dirname(page) or '.')}{anchor or ''})"

        text = (root / page).read_text(encoding="utf-8")
        # Code is no text with links in it.
        parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
        text = "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)
        (docs / page).parent.mkdir(parents=True, exist_ok=True)
        (docs / page).write_text(text, encoding="utf-8")
    return pages


def check_navigation(pages: list[str], config: str) -> Iterator[str]:
    """A page that is in no menu is found by nobody."""
    named = set(re.findall(r": ([\w./-]+\.md)$", config, flags=re.M))
    yield from (f"deploy/docs/mkdocs.yml: {page} is not in nav" for page in sorted(set(pages) - named))
    yield from (f"deploy/docs/mkdocs.yml: nav has {page}, which does not exist" for page in sorted(named - set(pages)))


def build_reference(root: pathlib.Path, docs: pathlib.Path) -> Iterator[str]:
    """Runs Doxygen; what it has to say is a difference."""
    done = subprocess.run(["doxygen", HERE / "Doxyfile"], cwd=root, capture_output=True, text=True, check=False,
                          env=os.environ | {"ROOST_DOCS": str(docs)})
    for line in (done.stdout + done.stderr).splitlines():
        yield line.replace(f"{root}/", "")
    if done.returncode:
        yield f"doxygen ended with {done.returncode}"


def build_pages(docs: pathlib.Path, output: pathlib.Path, config: str) -> Iterator[str]:
    """Runs mkdocs."""
    file = docs.parent / "mkdocs.yml"
    file.write_text(f"{config}docs_dir: {docs}\nsite_dir: {output}\n", encoding="utf-8")
    done = subprocess.run(["mkdocs", "build", "--quiet", "--config-file", file], capture_output=True, text=True,
                          check=False)
    yield from (line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("WARNING", "ERROR")))
    if done.returncode:
        yield f"mkdocs ended with {done.returncode}: {done.stderr}"


class Page(html.parser.HTMLParser):
    """What a page of the site has: its anchors, where it leads, and what it loads."""

    def __init__(self, text: str):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self.anchors |= {attributes.get("id", ""), attributes.get("name", "")}
        if tag == "a" and "href" in attributes:
            self.links.add(attributes["href"])
        elif tag in ("script", "img", "iframe") and "src" in attributes:
            self.loads.add(attributes["src"])
        elif tag == "link" and attributes.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.add(attributes["href"])


def check_site(site: pathlib.Path) -> Iterator[str]:
    """Each link of each page leads to something that is there, and nothing is loaded from elsewhere."""
    pages = {path: Page(path.read_text(encoding="utf-8", errors="replace")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for link in sorted(page.links | page.loads):
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loads and parts.scheme not in ("data", "javascript"):
                    yield f"{name}: loads {link}"
                continue
            if not parts.path:
                target = path
            else:
                below = site if parts.path.startswith("/") else path.parent
                target = (below / urllib.parse.unquote(parts.path).lstrip("/")).resolve()
            if name.name == "404.html" or parts.path in (".", "./"):
                continue
            if not target.is_file():
                yield f"{name}: {link} leads nowhere"
            elif parts.fragment and target in pages and target.suffix == ".html":
                if urllib.parse.unquote(parts.fragment) not in pages[target].anchors | {"__top", ""}:
                    yield f"{name}: {link} has no such place"


def main() -> int:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    output = pathlib.Path(sys.argv[1]).resolve()
    root = pathlib.Path(sys.argv[2] if len(sys.argv) == 3 else HERE.parents[1]).resolve()
    config = (root / "deploy/docs/mkdocs.yml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="roost-docs-") as folder:
        docs = pathlib.Path(folder, "docs")
        docs.mkdir()
        pages = stage(root, docs)
        found = list(check_navigation(pages, config))
        found += build_reference(root, docs)
        found += build_pages(docs, output, config)
        if output.is_dir():
            found += check_site(output)
    print("\n".join(found + [f"{len(pages)} pages, {len(found)} differences"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
