"""Patterns of declarations, by language. Each is for one line and has the group `name`."""

import re
from dataclasses import dataclass

Patterns = tuple[re.Pattern[str], ...]


@dataclass(frozen=True)
class Language:
    types: Patterns
    functions: Patterns
    methods: Patterns = ()
    """Searched only inside types: elsewhere a call looks the same."""


def _patterns(*texts: str) -> Patterns:
    return tuple(re.compile(text) for text in texts)


_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|sealed|partial|open|override|virtual|async"
    r"|readonly|data|inner|inline|suspend|synchronized|native|unsafe|extern|const|declare|get|set|fileprivate|mutating"
    r"|required|convenience|lateinit|operator|implicit|case|lazy) +)*"
)
_TYPES = (
    rf"\s*{_MODIFIERS}(?:@?interface|class|enum(?: class| struct)?|record|struct|object|protocol|extension|actor|trait"
    r"|namespace) +(?P<name>[\w$.]+)(?!.*; *$)"
)
_BODY = r"\([^;]*(?:\{|\)|,|\()\s*$"
"""What follows a method's name: its parameters, without the semicolon of a call."""

_SCRIPT = Language(
    _patterns(_TYPES, rf"\s*{_MODIFIERS}type +(?P<name>[\w$]+)[^=]*="),
    _patterns(
        rf"\s*{_MODIFIERS}function *\*? *(?P<name>[\w$]+)",
        rf"\s*{_MODIFIERS}(?:const|let|var) +(?P<name>[\w$]+)(?: *:[^=]+)? *= *(?:async *)?"
        r"(?:function\b|\(.*=> *[{(]?$|\($|[\w$]+ *=>)",
    ),
    _patterns(rf"\s+{_MODIFIERS}[*#]?(?P<name>[\w$]+) *(?:<[^>]*>)? *{_BODY}"),
)
_JAVA = Language(
    _patterns(_TYPES),
    (),
    _patterns(rf"\s+{_MODIFIERS}(?:<[^>]*> *)?(?:[\w<>\[\],.?]+ +)*(?P<name>\w+) *{_BODY}"),
)
_C = Language(
    _patterns(
        r"\s*(?:typedef +)?(?:template *<.*> *)?(?:struct|class|union|enum(?: class)?|namespace) +(?P<name>[\w:]+)[^;()=]*$"
    ),
    _patterns(
        r"(?!else\b|return\b|typedef\b)[A-Za-z_][\w:<>,*& ]*?[ *&](?P<name>[\w:~]+) *\([^;]*$",
        r"(?P<name>[a-z_]\w*) *\([^;\"]*$",  # below the line with its type
    ),
    _patterns(r"\s+(?:[\w:<>,*&]+ +)*[*&]?(?P<name>~?\w+) *\([^;]*\{[^;]*$"),
)
_GO = Language(_patterns(r"type +(?P<name>\w+)"), _patterns(r"func +(?:\([^)]*\) *)?(?P<name>\w+)"))
_VISIBLE = r"\s*(?:pub(?:\([^)]*\))? +)?(?:default +|unsafe +|async +|const +|extern +\"[^\"]*\" +)*"
_RUST = Language(
    _patterns(rf"{_VISIBLE}(?:struct|enum|trait|union|mod) +(?P<name>\w+)[^;]*$", r"\s*(?:unsafe +)?(?P<name>impl\b[^{;]*)"),
    _patterns(rf"{_VISIBLE}fn +(?P<name>\w+)", r"\s*macro_rules! *(?P<name>\w+)"),
)
_KOTLIN = Language(_patterns(_TYPES), _patterns(rf"\s*{_MODIFIERS}(?:fun|func|def)\b *(?:<[^>]*> *)?(?P<name>[\w.]+)"))
_SWIFT = Language(_KOTLIN.types, _KOTLIN.functions, _patterns(r"\s+(?:\w+ +)*(?P<name>init\??|deinit) *[({]"))
_RUBY = Language(_patterns(r"\s*(?:class|module) +(?P<name>[A-Z][\w:]*)"), _patterns(r"\s*def +(?P<name>[\w.]+[?!=]?)"))
_PHP = Language(_patterns(_TYPES), _patterns(rf"\s*{_MODIFIERS}function +&?(?P<name>\w+)"))
_SHELL = Language(
    (), _patterns(r"\s*(?:function +)?(?P<name>[\w:.-]+) *\(\) *[{(]?\s*$", r"\s*function +(?P<name>[\w:.-]+)")
)
_LUA = Language((), _patterns(r"\s*(?:local +)?function +(?P<name>[\w.:]+)"))
PYTHON = Language(_patterns(r"\s*class +(?P<name>\w+)"), _patterns(r"\s*(?:async +)?def +(?P<name>\w+)"))
"""For Python that cannot be parsed: another version, or a syntax error."""

LANGUAGES = {
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".vue", ".svelte"), _SCRIPT),
    **dict.fromkeys((".java", ".cs", ".groovy", ".dart"), _JAVA),
    **dict.fromkeys((".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cu", ".cuh", ".m", ".mm"), _C),
    **dict.fromkeys((".kt", ".kts", ".scala"), _KOTLIN),
    **dict.fromkeys((".sh", ".bash", ".zsh"), _SHELL),
    ".go": _GO,
    ".rs": _RUST,
    ".swift": _SWIFT,
    ".rb": _RUBY,
    ".php": _PHP,
    ".lua": _LUA,
    ".py": PYTHON,
    ".pyi": PYTHON,
}
