"""Secrets and personal data planted everywhere a sender can write: none of them verbatim in anything that is kept."""
import json
import os
import stat

from sidecar import *


def planted():
    """Built when the test runs, so that no file of the project looks as if it held a secret."""
    digits = "4929" + "7183" + "5520" + "161"
    total = sum(sum(divmod(int(d) * (2 if i % 2 == 0 else 1), 10)) for i, d in enumerate(digits))
    return {
        "AWS key": "AKIA" + "Q3EGRIX7" + "WZ5LTVKM"[:8],
        "GitHub token": "ghp_" + "aB3dE5fG7hI9jK1l" + "M2nO4pQ6rS8tU0vW" + "xYz1",
        "Slack token": "xoxb-" + "214748364799-" + "2147483647123-" + "Zx9Yw8Vu7Ts6Rq5Po4Nm3Lk2",
        "Stripe key": "sk_" + "live_" + "51Hx9Yw8Vu7Ts6Rq5Po4Nm3L",
        "bearer": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJhbm5hLXNtaXRoIn0." + "s5Hq0x9bVnWq3kYt7LrPzE1mC4uJ8dFgA2iO6wTyXkQ",
        "private key": "-----BEGIN RSA PRIVATE" + " KEY-----MIIEowIBAAKCAQEAx9Yw8Vu7Ts6Rq5Po4Nm3Lk2",
        "e-mail": "anna.smith" + "@" + "lindqvist-mail.com",
        "card": digits + str(-total % 10),
        "IBAN": "DE" + "89370400" + "440532013000",
        "telephone": "+49 30 " + "9018 20933",
        "social security": "219-" + "09-" + "9999",
    }


def test_nothing_planted_is_kept_verbatim():
    secrets = planted()
    with ollama(lambda request: generated({"label": "a", "confidence": 0.9, "answer": " ".join(secrets.values())})) as model:
        policy = ('models:\n  small: {provider: ollama, name: s, endpoint: "%s"}\n'
                  "tasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.5}\n  open: {local: true, min_confidence: 0.5}\n"
                  "  off: {local: false}\nhard_stops: {builtin: false}\n" % model.endpoint)
        with Sidecar(policy) as router:
            tap, number = router.tap(), 0
            for name, secret in secrets.items():
                for where in ("prompt", "message", "argument", "task", "split"):
                    number += 1
                    call_id, text = "p%d" % number, "please look at %s for me" % secret
                    if where == "prompt":
                        tap.send(call(call_id, text=text))
                    elif where == "message":
                        tap.send(frame("call", call_id=call_id, task_type="open", messages=[
                            {"role": "system", "content": secret}, {"role": "user", "content": [{"type": "text", "text": text}]}]))
                    elif where == "argument":
                        tap.send(frame("call", call_id=call_id, task_type="off", request={"model": "m", "messages": [
                            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {
                                "name": "login", "arguments": json.dumps({"user": "me", "value": secret})}}]}]}))
                    elif where == "task":
                        tap.send(call(call_id, task=secret, text=text))
                    else:
                        tap.send(call(call_id, text="x" * (236 - len(secret) // 2) + " " + secret))
                    tap.send(answer(call_id, "it is " + text, label=secret))
                tap.send(frame("answer", call_id="odd%d" % number, error="failed with " + secret))
                tap.send(b'{"kind":"call","call_id":"bad' + secret.encode() + b'","reply":true}\n')
                tap.send(b'{"kind":"' + secret.encode() + b'"}\n{' + secret.encode() + b"}\n")
                tap.receive()
            tap.ping()
            router.wait_for("decision", number)
            router.write_policy(policy + "# \n")
            router.command("reload")
            kept = {"/metrics": router.http("GET", "/metrics")[1], "/v1/status": router.http("GET", "/v1/status")[1],
                    "status": router.command("status").stdout.encode()}
            router.stop()
            for words in (["tail"], ["tail", "--rows"], *(["report", "--format", f] for f in ("md", "html", "json", "csv"))):
                done = router.command(*words)
                equal(done.returncode, 0, " ".join(words) + ": " + done.stderr)
                kept[" ".join(words)] = (done.stdout + done.stderr).encode()
            kept["stderr"] = router.messages.encode()
            kept.update(files_below(router.state))
            leaks = [(name, place) for name, secret in secrets.items() for place, data in kept.items()
                     if secret.encode() in data or json.dumps(secret)[1:-1].encode() in data]
            check(not leaks, lambda: "%d leaks: %s" % (len(leaks), leaks[:12]))
            # The keys of the hashes stand in their folder alone.
            keys = list(files_below(os.path.join(router.state, "keys")).values())
            check(keys, "no keys in the state folder: this proves nothing")
            for material in keys:
                forms = {material.strip(), material.strip().hex().encode()}
                for place, data in kept.items():
                    if not place.startswith("keys"):
                        check(not any(len(form) >= 16 and form in data for form in forms), "a key of the hashes stands in " + place)
            previews = [r["input_preview"] for r in router.records("decision")]
            check(sum(bool(p) for p in previews) > number / 2, "most previews are empty: this proves nothing")
            check(all(len(p) <= 240 for p in previews if p), "a preview of more than 240 characters")
            figure("secrets planted, places looked at", "%d × 5 calls, %d" % (len(secrets), len(kept)))


def test_files_folders_and_sockets_have_the_contracts_modes():
    old = os.umask(0)
    try:
        with Sidecar(SIMPLE) as router:
            router.decide(router.tap(), call("m"))
            router.command("kill", "on")
            router.command("kill", "off")

            def mode(path):
                return oct(stat.S_IMODE(os.stat(path).st_mode))
            equal(mode(os.path.join(router.runtime, "tap.sock")), "0o660", "tap.sock")
            equal(mode(os.path.join(router.runtime, "control.sock")), "0o600", "control.sock")
            equal(mode(router.state), "0o700", "the state folder")
            for folder, names, files in os.walk(router.state):
                for name in names:
                    equal(mode(os.path.join(folder, name)), "0o700", name)
                for name in files:
                    equal(mode(os.path.join(folder, name)), "0o600", name)
            router.stop()
    finally:
        os.umask(old)


if __name__ == "__main__":
    main(globals())
