"""JSON Schema's `format`s as patterns, with a longest length where the standard sets one.

Exact by the standards named below, but for what is stricter on purpose: a leap second is written
only in UTC, a host name's labels have no hyphens in third and fourth place (that is Punycode, whose
check is not regular), and a relative JSON pointer does not shift an index. Not here: `regex`,
`idn-hostname`, `idn-email`. Knows nothing of schemas, nor what they make of names it has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MAX_HOST_NAME = 253
MAX_LOCAL_PART = 64  # of a mail address


class Format(NamedTuple):
    pattern: str
    max_length: int | None = None


# RFC 3339
LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
DATE = (
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    f"|{LEAP_YEAR}-02-29)"
)
HOUR_MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
TIME = (
    f"(?:{HOUR_MINUTE}:[0-5][0-9](?:\\.[0-9]+)?(?:[Zz]|[+-]{HOUR_MINUTE})"
    "|23:59:60(?:\\.[0-9]+)?(?:[Zz]|[+-]00:00))"
)
DURATION_TIME = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
DURATION_DATE = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)"
DURATION = f"P(?:{DURATION_DATE}(?:{DURATION_TIME})?|{DURATION_TIME}|[0-9]+W)"

# RFC 9562, RFC 6901
UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
JSON_POINTER = "(?:/(?:[^~/]|~[01])*)*"
RELATIVE_JSON_POINTER = f"(?:0|[1-9][0-9]*)(?:#|{JSON_POINTER})"

# RFC 2673, RFC 4291, RFC 1123, RFC 5321
OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = f"(?:{OCTET}\\.){{3}}{OCTET}"
NUM_GROUPS = 8
GROUP = "[0-9a-fA-F]{1,4}"


def _after_gap(max_groups: int) -> str:
    """What may stand behind `::`; an IPv4 address takes the place of two groups."""
    tails = [""]
    if max_groups >= 1:
        tails.append(f"{GROUP}(?::{GROUP}){{0,{max_groups - 1}}}")
    if max_groups >= 2:
        tails.append(f"(?:{GROUP}:){{0,{max_groups - 2}}}{IPV4}")
    return f"(?:{'|'.join(tails)})"


def _with_gap(num_groups: int) -> str:
    """So many groups, and `::` behind them, which stands for one more at least."""
    before = f"{GROUP}(?::{GROUP}){{{num_groups - 1}}}" if num_groups else ""
    return f"{before}::{_after_gap(NUM_GROUPS - 1 - num_groups)}"


IPV6 = "(?:{})".format(
    "|".join(
        [
            f"(?:{GROUP}:){{7}}{GROUP}",
            f"(?:{GROUP}:){{6}}{IPV4}",
            *map(_with_gap, range(NUM_GROUPS)),
        ]
    )
)
LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST_LABEL = f"(?![A-Za-z0-9-]{{2}}--){LABEL}"
HOST_NAME = f"{HOST_LABEL}(?:\\.{HOST_LABEL})*"
ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
QUOTED = '"(?:[ !#-\\[\\]-~]|\\\\[ -~])*"'
DOMAIN = f"{LABEL}(?:\\.{LABEL})*"
SHORT_LOCAL_PART = f"(?!.{{{MAX_LOCAL_PART + 1}}}.*@)"
LOCAL_PART = f"{SHORT_LOCAL_PART}(?:{ATOM}(?:\\.{ATOM})*|{QUOTED})"
EMAIL = f"{LOCAL_PART}@(?:{DOMAIN}|\\[(?:{IPV4}|IPv6:{IPV6})\\])"

# RFC 3986, RFC 3987, RFC 6570
UCS = (
    "\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF"
    + "".join(f"\\u{{{plane:X}0000}}-\\u{{{plane:X}FFFD}}" for plane in range(1, 14))
    + "\\u{E1000}-\\u{EFFFD}"
)
PRIVATE = "\\uE000-\\uF8FF\\u{F0000}-\\u{FFFFD}\\u{100000}-\\u{10FFFD}"
ENCODED = "%[0-9A-Fa-f]{2}"
UNRESERVED = "A-Za-z0-9._~!$&'()*+,;=\\-"  # with the sub-delimiters
IP_LITERAL = f"\\[(?:{IPV6}|[vV][0-9a-fA-F]+\\.[{UNRESERVED}:]+)\\]"


class _Reference(NamedTuple):
    absolute: str
    any: str  # absolute or relative


def _reference(more: str, more_in_query: str) -> _Reference:
    """URI with nothing more, IRI with the characters that it adds."""
    character = f"(?:[{UNRESERVED}:@{more}]|{ENCODED})"
    without_colon = f"(?:[{UNRESERVED}@{more}]|{ENCODED})"
    user = f"(?:[{UNRESERVED}:{more}]|{ENCODED})*@"
    host = f"(?:{IP_LITERAL}|(?:[{UNRESERVED}{more}]|{ENCODED})*)"
    rest = f"(?:/{character}*)*"
    rooted = f"//(?:{user})?{host}(?::[0-9]*)?{rest}|/(?:{character}+{rest})?"
    query = f"(?:\\?(?:[{UNRESERVED}:@/?{more}{more_in_query}]|{ENCODED})*)?"
    tail = f"{query}(?:#(?:[{UNRESERVED}:@/?{more}]|{ENCODED})*)?"
    absolute = f"[A-Za-z][A-Za-z0-9+.\\-]*:(?:{rooted}|{character}+{rest})?{tail}"
    relative = f"(?:{rooted}|{without_colon}+{rest})?{tail}"
    return _Reference(absolute, f"(?:{absolute}|{relative})")


URI = _reference("", "")
IRI = _reference(UCS, PRIVATE)
VARIABLE_CHARACTER = f"(?:[A-Za-z0-9_]|{ENCODED})"
VARIABLE = f"{VARIABLE_CHARACTER}(?:\\.?{VARIABLE_CHARACTER})*(?::[1-9][0-9]{{0,3}}|\\*)?"
URI_TEMPLATE = (
    f"(?:[!#$&(-;=?-\\[\\]_a-z~{UCS}{PRIVATE}]|{ENCODED}"
    f"|\\{{[+#./;?&=,!@|]?{VARIABLE}(?:,{VARIABLE})*\\}})*"
)

FORMATS: Mapping[str, Format] = {
    name: Format(f"^(?:{pattern})$", MAX_HOST_NAME if name == "hostname" else None)
    for name, pattern in {
        "date": DATE,
        "time": TIME,
        "date-time": f"{DATE}[Tt]{TIME}",
        "duration": DURATION,
        "uuid": UUID,
        "ipv4": IPV4,
        "ipv6": IPV6,
        "hostname": HOST_NAME,
        "email": EMAIL,
        "uri": URI.absolute,
        "uri-reference": URI.any,
        "iri": IRI.absolute,
        "iri-reference": IRI.any,
        "uri-template": URI_TEMPLATE,
        "json-pointer": JSON_POINTER,
        "relative-json-pointer": RELATIVE_JSON_POINTER,
    }.items()
}
