#!/usr/bin/env python3
"""Writes a policy of N task types (200), always the same: what the reader's speed is measured on.

usage: generate_policy.py [N] > policy.yaml
"""
import random
import sys

TERMS = ["api key", "access key", "passwd", "ssh key", "bearer", "jwt", "certificate*", "refund*", "payout*", "chargeback",
         "iban", "wire transfer", "salary", "contract*", "lawsuit", "gdpr", "subject access", "break glass", "rollback*",
         "hotfix*", "failover", "terraform", "kubectl", "truncate", "force push", "reboot*", "shutdown", "firewall"]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rng = random.Random(3)
    lines = ["version: 1", "models:",
             '  small: {provider: ollama, name: "qwen3:1.7b", endpoint: "http://127.0.0.1:11434/api/generate"}',
             "  frontier: {provider: anthropic, name: claude-sonnet-4-6}",
             "defaults:", "  max_input_chars: 8192", "  min_confidence: 0.85", "hard_stops:"]
    for name, part in (("security", TERMS[:9]), ("access", TERMS[9:18]), ("production", TERMS[18:])):
        lines += [f"  {name}:"] + [f'    - "{term}"' for term in part]
    lines.append("tasks:")
    for number in range(count):
        labels = [f"l{label}" for label in range(rng.randrange(2, 6))]
        lines += [f"  task_{number:03d}:", f"    owner: team-{number % 12}",
                  f"    local: {str(rng.random() < 0.8).lower()}",
                  f"    max_input_chars: {rng.choice([2048, 4096, 8192, 12288])}",
                  f"    min_confidence: {round(0.7 + 0.25 * rng.random(), 2)}",
                  f"    labels: [{', '.join(labels)}]", f"    escalate_labels: [{labels[-1]}]",
                  "    hard_stops:", "      security:"]
        lines += [f'        - "{term}"' for term in rng.sample(TERMS, 2)]
    print("\n".join(lines))


main()
