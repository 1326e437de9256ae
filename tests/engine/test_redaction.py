"""Redaction: what looks like a secret is found, what does not stays, and no text takes long."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno._redaction import MASK, SHORTEST, Redactor, names_secret, redactor
from dalsegno.errors import UsageError

plain = Redactor()

SECRETS = {
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1B2" * 9,
    "github, fine-grained": "github_pat_" + "11ABCDEFG0_" * 3,
    "openai": "sk-" + "proj-Ab1" * 4,
    "stripe": "sk_" + "live_" + "4eC39HqLyjWDarjt",
    "slack": "xox" + "b-123456789012-abcdefGHIJKL",
    "google": "AIza" + "SyA-1234567890abcdefghijklmnopqrstu",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}
KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA\n" * 8 + "-----END RSA PRIVATE KEY-----"

words = st.text(st.characters(codec="utf-8"), max_size=40)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@given(before=words, after=words)
def test_shapes_are_found_among_other_text(secret: str, before: str, after: str) -> None:
    assert secret not in plain(f"{before} {secret} {after}")
    assert secret not in plain(f"{before}\n{json.dumps({'x': secret})}{after}")


@pytest.mark.parametrize(("text", "shown"), [
    ("password=hunter22 x=1", f"password={MASK} x=1"),
    ("DB_PASSWORD: a=b&c", f"DB_PASSWORD: {MASK}"),
    ("{'api_key': 'two words', 'n': 1}", f"{{'api_key': {MASK}, 'n': 1}}"),
    ('{\\"token\\": \\"abc\\"}', f'{{\\"token\\": {MASK}}}'),
    ("Authorization: Bearer abcdefghijkl", f"Authorization: Bearer {MASK}"),
    ("--db-password hunter2 --retries 3", f"--db-password {MASK} --retries 3"),
    ("postgres://me:p@ss@host:5432/db", f"postgres://me:{MASK}@host:5432/db"),
    ("aws_secret_access_key = wJalr/XUt", f"aws_secret_access_key = {MASK}"),
    ('secret="unclosed words', f"secret={MASK}"),
    (f"a\n{KEY}\nb", f"a\n{MASK}\nb"),
    ("a\n-----BEGIN PRIVATE KEY-----\nMIIE", f"a\n{MASK}"),
    ("MIIEpAIBAAKC\nQEA/+==\n-----END PRIVATE KEY-----\nb", f"{MASK}\nb"),
])  # fmt: skip
def test_what_stands_where_a_secret_stands_is_taken_out(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert plain(shown) == shown


@pytest.mark.parametrize("text", [
    "step 12 of 100: loss=0.125", "tokens=512 max_tokens: 3", "the secret is out", "secret=None", "token: 12",
    "token = os.environ['X']", "password = get_password(user)", "https://host:80/path?x=1", "task-sk-learn",
    "Tokenizer: fast", "sha256 eyJhbGci", "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
])  # fmt: skip
def test_what_only_sounds_like_a_secret_stays(text: str) -> None:
    assert plain(text) == text


@given(words)
def test_a_second_time_changes_nothing(text: str) -> None:
    once = plain(text)
    assert plain(once) == once


@given(
    st.text(st.characters(codec="utf-8"), min_size=SHORTEST).filter(lambda text: text.strip() == text), words
)
def test_known_values_are_found_in_the_forms_in_which_programs_print_them(value: str, before: str) -> None:
    forms = plain.known([value])
    for line in value.splitlines():
        if len(line.strip()) >= SHORTEST:
            assert line.strip() not in plain(f"{before}{value}", forms).replace(MASK, "")
            for text in (repr([before, line.strip()]), f"{before}: {line.strip()!r}"):
                assert repr(line.strip())[1:-1] not in plain(text, forms).replace(MASK, "")


def test_short_values_are_only_taken_out_where_they_are_named() -> None:
    forms = plain.known(["a", "12345"])
    assert forms == ()
    assert plain("a password=12345 a", forms) == f"a password={MASK} a"


@pytest.mark.parametrize(("name", "secret"), [
    ("DB_PASSWORD", True), ("GITHUB_TOKEN", True), ("githubToken", True), ("AWS_SECRET_ACCESS_KEY", True),
    ("OPENAI_API_KEY", True), ("MYSQL_PASS", True), ("SENTRY_DSN", True), ("authorization", True),
    ("HOME", False), ("TOKENIZERS_PARALLELISM", False), ("MAX_TOKENS", False), ("PASSWORD_FILE", False),
    ("TOKEN_URL", False), ("COMPASS", False), ("SORT_KEY", False), ("SSH_AUTH_SOCK", False),
])  # fmt: skip
def test_names_tell(name: str, secret: bool) -> None:
    assert names_secret(name) is secret
    assert plain.hides(name, "some value") is secret
    assert plain.hides(name, "true") is False
    assert plain.hides("X", SECRETS["github"])


def test_an_engine_may_take_out_more_or_nothing() -> None:
    assert redactor(False)("password=hunter2") == "password=hunter2"
    assert not redactor(False).hides("PASSWORD", "hunter2")
    assert redactor(False).known(["hunter2"]) == ()
    more = redactor([r"\d{3}-\d{2}-\d{4}", re.compile("xyz")])
    assert more("ssn 123-45-6789, xyz, password=abc") == f"ssn {MASK}, {MASK}, password={MASK}"
    assert redactor(str.upper)("a password=b") == f"A PASSWORD={MASK.upper()}"


def test_a_setting_can_be_handed_to_another_process() -> None:
    for setting in (True, False, ["abc"], [re.compile("a b", re.IGNORECASE | re.VERBOSE)]):
        there = redactor(redactor(setting).setting())
        for text in ("abc", "AB", "password=hunter2"):
            assert there(text) == redactor(setting)(text)
    with pytest.raises(UsageError, match="patterns"):
        redactor(str.upper).setting()


def test_a_function_that_fails_lets_nothing_through() -> None:
    def fails(text: str) -> str:
        raise ValueError(text)

    assert "hello" not in redactor(fails)("hello")


@pytest.mark.parametrize("wrong", [3, "text", ["("], [3], None])
def test_what_is_no_setting_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match="redact"):
        redactor(wrong)


@pytest.mark.parametrize("unit", [
    "step 12 of 100: loss=0.123\n", "QUJDR", "key token secret\n", "token", "://", "://a:", "abcdefgh\n",
    "-----BEGIN PRIVATE KEY-----", 'password="', "eyJ", "eyJaaaaaaaaa.", "sk-", "bearer ", "key-", "--token ", "secret: ",
])  # fmt: skip
def test_no_text_takes_more_than_linear_time(unit: str) -> None:
    signs = " passw secret token key PRIVATE KEY bearer -- :// eyJ sk- "

    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size] + signs
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            plain(text)
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(64 << 10) < 8 * 4 * max(seconds(8 << 10), 1e-4)
