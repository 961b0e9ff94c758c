"""The process that reads one PDF: it gets limits as JSON, and writes sections or the reason for a refusal as JSON."""

import json
import sys
from typing import Any


def main() -> None:
    given = json.load(sys.stdin)
    _limit_memory(given["memory_bytes"])
    try:
        found = _read(given["path"], given["pages"])
    except MemoryError:
        found = {"refused": "takes more memory to unpack than is given to it: it is hostile or damaged; save it as text"}
    except RecursionError:
        found = {"refused": "is nested too deep: it is hostile or damaged; print it to a new PDF, or save it as text"}
    json.dump(found, sys.stdout)


def _limit_memory(memory_bytes: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    except (ImportError, OSError, ValueError):
        # Windows has no such limit and macOS may refuse it; the time limit of the calling process still applies.
        pass


def _read(path: str, most_pages: int) -> dict[str, Any]:
    from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError

    from inweights.sources.pdf.document import UnreadableError, document

    try:
        return document(path, most_pages)
    except UnreadableError as error:
        return {"refused": str(error)}
    except FileNotDecryptedError:
        return {"refused": "is encrypted: save it without a password"}
    except DependencyError:
        return {"refused": "is encrypted with AES: `pip install cryptography`, or save it without a password"}
    except LimitReachedError as error:
        return {"refused": f"is hostile or damaged ({error}): print it to a new PDF, or save it as text"}
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # a damaged file may be wrong anywhere, and pypdf then raises whatever came up
        said = " ".join(str(error).split())[:200] or type(error).__name__
        return {"refused": f"is damaged ({said}): fetch it again, or print it to a new PDF"}


if __name__ == "__main__":
    main()
