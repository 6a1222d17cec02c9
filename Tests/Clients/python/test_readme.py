"""The README's "use it from your agent", as written there, with the real SDKs: after those lines a call is shown, answer and all."""
import importlib.util
import os
import re
import unittest
from unittest import mock

from support import ROOT, Frontier, tap
from test_sdks import ASK, CHAT, MESSAGE, shadow_router

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")


def blocks():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        section = file.read().split("## Use it from your agent\n")[1].split("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def ask_openai(names, _):
    return names["client"].chat.completions.create(model="gpt-x", messages=ASK)


def ask_anthropic(names, _):
    return names["client"].messages.create(model="claude-x", max_tokens=9, messages=ASK)


def ask_litellm(names, url):
    said = names["litellm"].completion(model="openai/gpt-x", messages=ASK, api_key="k", api_base=url + "/v1")
    names["litellm"].callbacks = []
    return said


class Readme(unittest.TestCase):
    def test_three_lines_each(self):
        table = {"openai": (ask_openai, CHAT), "anthropic": (ask_anthropic, MESSAGE), "litellm": (ask_litellm, CHAT)}
        found = {re.match(r"import (\w+), shadow_router\n", text)[1]: text for text in blocks() if re.match(r"import \w+, ", text)}
        self.assertEqual(set(found), set(table))
        run = []
        for sdk, (ask, body) in table.items():
            self.assertEqual(len([line for line in found[sdk].splitlines() if line]), 2)
            if importlib.util.find_spec(sdk) is None:
                continue  # run.sh has an environment for each
            with tap() as router, Frontier((200, {}, body)) as frontier:
                observer = shadow_router.Observer(router.path)
                environment = {"OPENAI_BASE_URL": frontier.url + "/v1", "ANTHROPIC_BASE_URL": frontier.url, "OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
                with mock.patch.dict(os.environ, environment), mock.patch.object(shadow_router, "_default", observer):
                    names: dict = {}
                    exec(compile(found[sdk], "README.md", "exec"), names)
                    self.assertTrue(ask(names, frontier.url))
                    self.assertEqual([frame["kind"] for frame in router.wait(2)], ["call", "answer"])
                observer.close()
            run.append(sdk)
        print("README: run with " + ", ".join(run), flush=True)
        self.assertTrue(run)


if __name__ == "__main__":
    unittest.main()
