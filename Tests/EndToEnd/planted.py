"""Secrets and personal data to plant: forms of our own, and the labelled samples of the shared folder.

A form is (kind, text as somebody would write it, the part that must never be shown). Ours are put together when the test runs, so that no
file of the project looks as if it held a secret.
"""
import base64
import gzip
import json
import re
import urllib.parse

from sidecar import shared

# What the redactor does not promise to find: no form, or one that many harmless things have.
NOT_PROMISED = {
    "spacy", "stanza", "transformers", "pattern",  # names of people and other prose
    "date", "url", "de_plz", "de_handelsregister", "sg_uen",  # no person's
    "de_kfz", "ng_vehicle_registration", "tr_license_plate", "uk_vehicle_registration", "in_vehicle_registration", "uk_postcode",
}
# Samples of promised kinds that may be missed, by source label: `127.0.0.1` stands in the policy itself, `192.168.1.1` in five numbers with
# dots and `2001:db8::` behind a word, which are no addresses; one personal number is glued to the word before it.
MAY_BE_MISSED = {"ip": 3, "se_personnummer": 1}


def luhn(digits):
    total = sum(sum(divmod(int(d) * (2 if i % 2 == 0 else 1), 10)) for i, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def own():
    """Fifty forms and more: (kind, text, needle, whether an identifier that holds it is sealed)."""
    card = luhn("4929718355" + "20161")
    mixed, low = "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4", "k3j9x2m7q8w4z6v1b5n0c9d8f7g6h5t4"
    mail = "anna.smith" + "@" + "lindqvist-mail.com"
    jwt = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJhbm5hLXNtaXRoIn0." + "s5Hq0x9bVnWq3kYt7LrPzE1mC4uJ8dFgA2iO6wTyXkQ"
    marked = {
        "AWS key": "AKIA" + "Q3EGRIX7WZ5LTVKM", "GitHub": "ghp_" + mixed, "GitHub app": "ghs_" + mixed, "GitHub fine": "github_pat_" + mixed,
        "GitLab": "glpat-" + mixed[:20], "Slack bot": "xoxb-" + "214748364799-2147483647123-" + mixed[:24], "Slack app": "xapp-1-" + mixed,
        "Stripe": "sk_" + "live_" + mixed[:24], "Stripe restricted": "rk_" + "live_" + mixed[:24], "Google": "AIza" + mixed[:35],
        "npm": "npm_" + mixed, "PyPI": "pypi-" + mixed + low, "Hugging Face": "hf_" + mixed, "OpenAI": "sk-" + "proj-" + mixed,
        "Anthropic": "sk-" + "ant-api03-" + mixed, "SendGrid": "SG." + mixed[:22] + "." + mixed + "abc", "DigitalOcean": "dop_v1_" + low * 2,
        "Shopify": "shpat_" + low, "Vault": "hvs." + mixed + low, "Doppler": "dp.pt." + mixed, "Databricks": "dapi" + low,
        "Linear": "lin_api_" + mixed, "Docker": "dckr_pat_" + mixed[:27], "Grafana": "glsa_" + mixed, "Tailscale": "tskey-" + "auth-" + mixed[:24],
        "Square": "sq0atp-" + mixed[:22], "Postman": "PMAK-" + low + low[:27], "age": "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" * 2,
    }
    forms = [(name, "please use %s for it" % value, value, True) for name, value in marked.items()]
    forms += [
        ("JWT", "token " + jwt, jwt, True), ("bearer", "Authorization: Bearer " + mixed, mixed, True),
        ("basic", "curl -H 'Authorization: Basic " + base64.b64encode(b"anna:Tr0ub4dor&3x").decode() + "'",
         base64.b64encode(b"anna:Tr0ub4dor&3x").decode(), True),
        ("private key", "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIEowIBAAKCAQEAx9Yw8Vu7Ts6Rq5Po4Nm3Lk2\n-----END RSA PRIVATE" + " KEY-----",
         "MIIEowIBAAKCAQEAx9Yw8Vu7Ts6Rq5Po4Nm3Lk2", True),
        ("URL", "postgres://anna:Tr0ub4dor3x@db.example/x", "Tr0ub4dor3x", True), ("password", "password=Tr0ub4dor3y", "Tr0ub4dor3y", True),
        ("password JSON", json.dumps({"password": "correct horse battery"}), "correct horse battery", False),
        ("password YAML", "db:\n  password: Tr0ub4dor3z\n", "Tr0ub4dor3z", False), ("option", "login --password Tr0ub4dor4a -v", "Tr0ub4dor4a", False),
        ("curl -u", "curl -u anna:Tr0ub4dor4b https://x.example", "Tr0ub4dor4b", False), ("cookie", "Cookie: session=" + mixed, mixed, False),
        ("env", "export API_KEY=" + low, low, False), ("XML", "<password>Tr0ub4dor4c</password>", "Tr0ub4dor4c", False),
        ("query", "https://x.example/?api_key=%s&page=2" % low[:20], low[:20], False),
        ("Slack hook", "https://hooks.slack.com/services/T0AB1CD2E/B0FG3HI4J/" + mixed[:24], mixed[:24], True),
        ("random", "it says %s here" % mixed, mixed, False),
        ("e-mail", "write to %s now" % mail, mail, True), ("e-mail in brackets", "<%s>" % mail, mail, True),
        ("e-mail in a URL", "https://x.example/?to=" + urllib.parse.quote(mail, safe=""), urllib.parse.quote(mail, safe=""), True),
        ("mailto", "mailto:" + mail, mail, True), ("card", "card " + card, card, False),
        ("card in groups", "card " + " ".join(card[i:i + 4] for i in range(0, 16, 4)), " ".join(card[i:i + 4] for i in range(0, 16, 4)), True),
        ("card with dashes", "-".join(card[i:i + 4] for i in range(0, 16, 4)), "-".join(card[i:i + 4] for i in range(0, 16, 4)), True),
        ("Amex", "paid by " + luhn("37828224631000"), luhn("37828224631000"), False),
        ("IBAN", "to DE" + "89370400" + "440532013000", "DE89370400440532013000", True),
        ("IBAN in groups", "GB82 WEST " + "1234 5698 7654 32", "WEST 1234 5698 7654 32", True),
        ("phone", "call +49 30 " + "9018 20933", "+49 30 9018 20933", True), ("phone US", "(415) 555-" + "0132", "(415) 555-0132", False),
        ("phone dashes", "415-555-" + "0132", "415-555-0132", False), ("SSN", "219-" + "09-" + "9999", "219-09-9999", True),
        ("NINO", "QQ is none, AB 12 34 56 C is", "AB 12 34 56 C", False), ("passport", "passport no. C01X" + "00T478", "C01X00T478", False),
        ("Aadhaar", "3998 7654 " + "3211", "3998 7654 3211", False), ("IPv4", "from 203.0.113." + "77", "203.0.113.77", False),
        ("IPv6", "from 2001:db8:85a3::8a2e:370:" + "7334", "2001:db8:85a3::8a2e:370:7334", False), ("MAC", "00:1A:2B:" + "3C:4D:5E", "00:1A:2B:3C:4D:5E", False),
        ("birthday", "born on 1984-02-" + "29", "1984-02-29", False), ("account", "account 7391" + "846205", "7391846205", False),
    ]
    return forms


def rules():
    """Rule id → what finds the secret, of the rules that Python's patterns can say."""
    found = {}
    with open(shared("data", "secrets", "gitleaks.toml"), encoding="utf-8") as f:
        parts = f.read().split("[[rules]]")[1:]
    for part in parts:
        name = re.search(r'^id = "(.*?)"', part, re.M)
        pattern = re.search(r"^regex = '''(.*?)'''", part, re.M | re.S)
        if not name or not pattern:
            continue
        text, flags = pattern.group(1).replace(r"\z", r"\Z"), 0
        text = re.sub(r"\(\?i\)", lambda _: "", text) if text.startswith("(?i)") else re.sub(r"\(\?i\)(.*)$", r"(?i:\1)", text, count=1, flags=re.S)
        if pattern.group(1).startswith("(?i)"):
            flags = re.I
        text = re.sub(r"\(\?-i:", "(?-i:", text).replace("[[:alnum:]]", "[A-Za-z0-9]").replace("[[:alpha:]]", "[A-Za-z]")
        group = re.search(r"^secretGroup = (\d+)", part, re.M)
        try:
            found[name.group(1)] = (re.compile(text, flags), int(group.group(1)) if group else None)
        except re.error:
            pass
    return found


def events(name):
    with gzip.open(shared("data", "events", "public", name), "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f.read().split("\n") if line]


def longest(text):
    runs = re.findall(r"[A-Za-z0-9+/_=~.\-]{8,}", text)
    return max((r for r in runs if any(c.isdigit() for c in r) or len(r) > 20), key=len, default=None)


def secret_samples():
    """The labelled secrets with the part that a rule calls the secret; those that hold none are left out."""
    known, samples = rules(), []
    for event in events("secrets.ndjson.gz"):
        text, kind, needle = event["prompt"], event["truth"]["source_label"], None
        if event["truth"]["label"] != "secret":
            continue
        if kind in known:
            pattern, group = known[kind]
            match = pattern.search(text)
            if match:
                groups = [g for g in match.groups() if g]
                needle = match.group(group) if group else max(groups, key=len) if groups else match.group(0)
        if needle is None and event["meta"]["origin"] != "gitleaks":
            needle = longest(text)
        needle = (needle or "").strip("\"' ")
        # A name, a template or a file is none; an excerpt past the preview's window is not shown in any case.
        if len(needle) >= 6 and not needle.startswith(("$", "{", "<")):
            samples.append((kind, text, needle))
    return samples


def personal_samples():
    samples = []
    for event in events("pii.ndjson.gz"):
        text, spans = event["prompt"], event["meta"]["spans"]
        if event["truth"]["label"] != "pii":
            continue
        first = (spans[0] if isinstance(spans[0], list) else spans) if spans else [0, len(text)]
        needle = text[first[0]:first[1]].strip()
        if len(needle) >= 6:
            samples.append((event["truth"]["source_label"], text, needle))
    return samples
