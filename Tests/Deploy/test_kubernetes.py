"""The Kubernetes manifests: against Kubernetes' own schemas, what they promise, and a policy that comes as a ConfigMap does.

Needs kubectl and the Python packages pyyaml and kubernetes-validate; the last test needs the built program only.
"""
import contextlib
import importlib.util
import signal
import sys

from machine import *

EXAMPLE = os.path.join(ROOT, "deploy", "kubernetes", "example")
VERSIONS = ("1.29", "1.31", "1.34")


def manifests():
    beside = os.path.join(os.path.dirname(sys.executable), "kubectl")
    kubectl = beside if os.path.exists(beside) else shutil.which("kubectl")
    if not kubectl:
        raise Skipped("no kubectl")
    text = tell(kubectl, "kustomize", EXAMPLE)
    if not importlib.util.find_spec("yaml"):
        raise Skipped("python3 has no pyyaml")
    import yaml
    return list(yaml.safe_load_all(text))


def by_kind(kind):
    found = [m for m in manifests() if m["kind"] == kind]
    equal(len(found), 1, "manifests of kind " + kind)
    return found[0]


def test_every_manifest_fits_the_schemas_of_kubernetes():
    if not importlib.util.find_spec("kubernetes_validate"):
        raise Skipped("python3 has no kubernetes-validate")
    import kubernetes_validate
    for version in VERSIONS:
        for manifest in manifests():
            kubernetes_validate.validate(manifest, version, strict=True)
        wrong = by_kind("StatefulSet")
        wrong["spec"]["template"]["spec"]["initContainers"][0]["restartpolicy"] = "Always"
        try:
            kubernetes_validate.validate(wrong, version, strict=True)
        except kubernetes_validate.ValidationError:
            continue
        raise Failed("a misspelt key fits the schema of %s: nothing is checked" % version)


def test_the_sidecar_cannot_hold_up_the_agent_nor_the_agent_reach_its_control():
    pod = by_kind("StatefulSet")["spec"]["template"]["spec"]
    agent, router = pod["containers"][0], pod["initContainers"][-1]
    equal((router["name"], router["restartPolicy"]), ("shadow-router", "Always"), "the native sidecar")
    equal([probe for probe in ("startupProbe", "readinessProbe") if probe in router], [], "probes that the agent would wait for")
    for container in (agent, router):
        security = container["securityContext"]
        equal((security["runAsNonRoot"], security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"], security["capabilities"]["drop"],
               security["seccompProfile"]["type"]), (True, True, False, ["ALL"], "RuntimeDefault"), "the security context of " + container["name"])
    volumes = {v["name"]: v for v in pod["volumes"]}
    mounts = {m["name"]: m for m in agent["volumeMounts"]}
    equal(mounts, {"shadow-router-tap": {"name": "shadow-router-tap", "mountPath": "/run/shadow-router-tap", "readOnly": True}}, "what the agent mounts")
    equal(volumes["shadow-router-tap"]["emptyDir"]["medium"], "Memory", "where the socket lies")
    environment = {e["name"]: e["value"] for e in router["env"]}
    control = environment["SHADOW_ROUTER_RUNTIME_DIR"]
    holder = max((m for m in router["volumeMounts"] if control.startswith(m["mountPath"] + "/")), key=lambda m: len(m["mountPath"]))
    equal(holder["name"], "shadow-router-control", "the volume of the control socket")
    tap = next(e["value"] for e in agent["env"] if e["name"] == "SHADOW_ROUTER_TAP")
    check("--tap=" + tap in router["args"], "agent and sidecar speak of different taps")
    check("--allow-uid=%d" % agent["securityContext"]["runAsUser"] in router["args"], "the agent's user is not admitted")
    # The program takes these words.
    for word in router["args"][1:]:
        check(word.split("=")[0] in run("run", "--help").stdout, "no option " + word)


def test_the_policy_of_the_example_is_right():
    policy = by_kind("ConfigMap")["data"]["router-policy.yaml"]
    with Sidecar(policy) as router:
        equal(router.command("check", "--strict", router.policy).returncode, 0, "check --strict")
        router.stop()


@contextlib.contextmanager
def config_map(text):
    """A folder as the kubelet lays out a ConfigMap, and a function that puts a new text in place as it does: by one link."""
    with tempfile.TemporaryDirectory() as folder:
        number = 0

        def put(text):
            nonlocal number
            number += 1
            version = "..2026_11_%02d" % number
            os.mkdir(os.path.join(folder, version))
            with open(os.path.join(folder, version, "router-policy.yaml"), "w") as f:
                f.write(text)
            os.symlink(version, os.path.join(folder, "..data_tmp"))
            os.rename(os.path.join(folder, "..data_tmp"), os.path.join(folder, "..data"))
            if number > 1:
                shutil.rmtree(os.path.join(folder, "..2026_11_%02d" % (number - 1)))

        put(text)
        os.symlink("..data/router-policy.yaml", os.path.join(folder, "router-policy.yaml"))
        yield os.path.join(folder, "router-policy.yaml"), put


def test_a_config_map_that_changes_is_taken_by_reload_and_by_signal():
    with config_map(SIMPLE) as (path, put):
        with Sidecar(path) as router:
            def in_force():
                return router.status()["policy"]["revision"]
            equal(in_force(), revision(SIMPLE), "the revision at the start")
            put(SIMPLE + "# two\n")
            equal(in_force(), revision(SIMPLE), "the revision before a reload")
            equal(router.command("reload").returncode, 0, "reload")
            equal(in_force(), revision(SIMPLE + "# two\n"), "the revision after the reload")
            put("broken: [")
            equal(router.command("reload").returncode, 1, "reload of a broken one")
            put(SIMPLE + "# three\n")
            router.signal(signal.SIGHUP)
            until(lambda: in_force() == revision(SIMPLE + "# three\n"), "the revision after SIGHUP")
            router.stop()


if __name__ == "__main__":
    main(globals())
