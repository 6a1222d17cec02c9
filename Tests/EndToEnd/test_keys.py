"""Keys: made at the first start, rotated without a restart, destroyed on demand; what that does to hashes (contract, section 5)."""
import hashlib
import hmac
import json
import os
import stat
import threading

from sidecar import *
from test_review import says_a

POLICY = 'models:\n  small: {provider: ollama, name: fake, endpoint: "%s"}\ntasks:\n  t: {local: true, labels: [a, b], min_confidence: 0.5, review_sample: 1.0}\n'


def keys(router):
    """KID → bytes."""
    folder = os.path.join(router.state, "keys")
    return {n[:-4]: open(os.path.join(folder, n), "rb").read() for n in os.listdir(folder) if n.endswith(".key")}


def kid(value):
    return value.split(":")[1]


def sealed(key_id, key, text):
    return "hmac-sha256:%s:%s" % (key_id, hmac.new(key, text.encode(), hashlib.sha256).hexdigest())


def keys_command(router, *words, want=0):
    done = router.command("keys", *words)
    equal(done.returncode, want, "keys %s: %s%s" % (" ".join(words), done.stdout, done.stderr))
    return done.stdout


def listed(router):
    return {k["kid"]: k for k in json.loads(keys_command(router, "list", "--json"))["keys"]}


def test_the_first_start_makes_a_key_and_hashes_name_it():
    with Sidecar(SIMPLE) as router:
        decision = router.decide(router.tap(), call("a", text="some text"))
        (key_id, key), = keys(router).items()
        path = os.path.join(router.state, "keys", key_id + ".key")
        equal((len(key), stat.S_IMODE(os.stat(path).st_mode)), (32, 0o600), "the key's file")
        equal(decision["input_hash"], sealed(key_id, key, "some text"), "input_hash")
        equal(listed(router)[key_id]["in_use"], True, "keys list")
        router.stop()
        os.chmod(path, 0o644)
        router.start()
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "rights that were lost are taken back")


def test_a_rotation_under_traffic_loses_nothing_and_needs_no_restart():
    with Sidecar(SIMPLE) as router:
        tap, done = router.tap(), threading.Event()
        sent = []

        def load():
            while not done.is_set():
                name = "c%d" % len(sent)
                sent.append(name)
                tap.send(call(name, text="always the same") + answer(name, "always the same"))
                # No flood: a slow disk has to keep up with it.
                time.sleep(0.001)
        thread = threading.Thread(target=load)
        thread.start()
        rotated = []
        try:
            for index in range(1, 6):
                until(lambda: router.count("decision") > 200 * index, "traffic")
                rotated.append(json.loads(keys_command(router, "rotate", "--json")))
        finally:
            until(lambda: len(sent) > 1500, "traffic after the last rotation")
            done.set()
            thread.join()
        router.wait_for("comparison", len(sent))
        ring = keys(router)
        equal(len(ring), 6, "keys")
        equal(len(router.decisions()), len(sent), "decisions")
        seen = []
        for record in router.records("decision"):
            key_id = kid(record["input_hash"])
            equal(record["input_hash"], sealed(key_id, ring[key_id], "always the same"), "input_hash")
            if key_id not in seen:
                seen.append(key_id)
        equal(seen, [rotated[0]["previous"]] + [r["kid"] for r in rotated], "keys in the order of the rotations")
        equal([(r["change"], r["kid"]) for r in router.records("key")], [("rotated", r["kid"]) for r in rotated], "key records")
        equal(router.status()["key"]["kid"], seen[-1], "status")
        equal(router.status()["policy"]["generation"], 1, "a rotation is no new policy")
        equal(router.command("reload").returncode, 0, "reload")
        equal(router.status()["policy"]["generation"], 1, "and a reload after it takes none")
        figure("calls under 5 key rotations", len(sent))
        router.stop()
        router.start()
        equal(kid(router.decide(router.tap(), call("again"))["input_hash"]), seen[-1], "the key after a restart")


def test_a_destroyed_key_is_overwritten_and_the_one_in_use_is_not_destroyed():
    with Sidecar(SIMPLE) as router:
        tap = router.tap()
        router.decide(tap, call("a", text="guess me"))
        (old, key), = keys(router).items()
        keys_command(router, "destroy", old, want=4)
        new = json.loads(keys_command(router, "rotate", "--json"))["kid"]
        keys_command(router, "destroy", new, want=4)
        keys_command(router, "destroy", "nosuch", want=1)
        keys_command(router, "destroy", "../current", want=1)
        # Another name of the same file shows what became of its bytes.
        os.link(os.path.join(router.state, "keys", old + ".key"), os.path.join(router.folder, "witness"))
        keys_command(router, "destroy", old)
        left = open(os.path.join(router.folder, "witness"), "rb").read()
        check(left != key and len(left) == 32, "the bytes were overwritten before the name went")
        check(old not in keys(router), "the file is gone")
        check(listed(router)[old]["destroyed"], "keys list names it")
        keys_command(router, "destroy", old, want=1)
        equal([(r["change"], r["kid"]) for r in router.records("key")], [("rotated", new), ("destroyed", old)], "key records")
        equal(kid(router.decide(tap, call("b"))["input_hash"]), new, "hashes go on")
        equal(router.command("verify-log").returncode, 0, "verify-log")
        check(key.hex() not in json.dumps(router.records()) and key.hex() not in router.messages, "no key in log or messages")


def test_without_a_router_the_folder_is_changed_and_the_next_start_takes_it():
    with Sidecar(SIMPLE) as router:
        router.decide(router.tap(), call("a"))
        (old, _), = keys(router).items()
        router.stop()
        new = json.loads(keys_command(router, "rotate", "--json"))["kid"]
        keys_command(router, "destroy", new, want=4)
        keys_command(router, "destroy", old)
        router.start()
        equal(kid(router.decide(router.tap(), call("b"))["input_hash"]), new, "the key in use")


def test_a_credential_of_the_service_manager_is_the_key():
    with Sidecar(SIMPLE, start=False) as router:
        folder = os.path.join(router.folder, "credentials")
        os.mkdir(folder)
        key = os.urandom(32)
        with open(os.path.join(folder, "hash-key"), "w") as f:
            f.write(key.hex() + "\n")
        router.env["CREDENTIALS_DIRECTORY"] = folder
        router.start()
        hashed = router.decide(router.tap(), call("a", text="x"))["input_hash"]
        equal(hashed, sealed(kid(hashed), key, "x"), "input_hash")
        keys_command(router, "rotate", want=4)
        keys_command(router, "destroy", kid(hashed), want=4)
        equal(keys(router), {}, "no key of its own is made")
        equal(listed(router)[kid(hashed)]["in_use"], True, "keys list")
        router.stop()
        router.start()
        equal(router.decide(router.tap(), call("b", text="x"))["input_hash"], hashed, "the same key has the same id")
        router.stop()
        with open(os.path.join(folder, "hash-key"), "w") as f:
            f.write("short")
        done = run("run", *router.folders, env=router.env)
        equal(done.returncode, 3, "a key that is none: " + done.stderr)
        check("hash-key" in done.stderr and "short" not in done.stderr, done.stderr)


def test_equal_inputs_under_two_keys_are_two_items_of_review():
    with ollama(says_a) as model, Sidecar(POLICY % model.endpoint) as router:
        tap = router.tap()
        for name in ("a1", "a2"):
            router.decide(tap, call(name, text="the same input"))
        until(lambda: router.status()["review"]["backlog"] == 1, "equal inputs under one key are one item")
        keys_command(router, "rotate")
        router.decide(tap, call("b1", text="the same input"))
        until(lambda: router.status()["review"]["backlog"] == 2, "under another key it is another item")


if __name__ == "__main__":
    main(globals())
