#!/usr/bin/env python3
"""The yardstick of the built-in classifier: scikit-learn's logistic regression on TF-IDF n-grams.

  sklearn_baseline.py prepare EVENTS.ndjson... > rows.ndjson   events -> {"id","text","label","split"}
  sklearn_baseline.py rows.ndjson [-C 10]                      fit on split "train", judge on "test"

The split hangs on a hash of the id alone, so every program that follows the rule sees the same rows:
"test" where the first byte of SHA-256(id) is below 77 (30 %). Rows labelled `unknown` are out of scope: they are
never trained on, do not count towards accuracy, and measure rejection. Needs scikit-learn (1.9.1 was used).
"""
import argparse
import hashlib
import json
import sys

OUT_OF_SCOPE = "unknown"


def split_of(identifier):
    return "test" if hashlib.sha256(identifier.encode()).digest()[0] < 77 else "train"


def rows_of(path):
    # Texts hold U+2028, so only "\n" ends a row.
    with open(path, encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file if line.strip()]


def prepare(paths):
    for path in paths:
        for event in rows_of(path):
            row = {"id": event["id"], "text": event["prompt"], "label": event["truth"]["label"]}
            row["split"] = split_of(row["id"])
            print(json.dumps(row, ensure_ascii=False))


def judge(path, strength):
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline, make_union

    rows = rows_of(path)
    inside = [row for row in rows if row["label"] != OUT_OF_SCOPE]
    train = [row for row in inside if row["split"] == "train"]
    test = [row for row in inside if row["split"] == "test"]
    strange = [row for row in rows if row["label"] == OUT_OF_SCOPE]
    model = make_pipeline(
        make_union(
            TfidfVectorizer(analyzer="word", ngram_range=(1, 2)),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)),
        ),
        LogisticRegression(C=strength, max_iter=1000),
    )
    model.fit([row["text"] for row in train], [row["label"] for row in train])
    known = model.predict_proba([row["text"] for row in test])
    truth = np.array([row["label"] for row in test])
    right = model.classes_[known.argmax(axis=1)] == truth
    result = {"rows": path, "C": strength, "train": len(train), "test": len(test),
              "labels": len(model.classes_), "accuracy": round(float(right.mean()), 4)}
    if strange:
        unknown = model.predict_proba([row["text"] for row in strange])
        score = np.concatenate([known.max(axis=1), unknown.max(axis=1)])
        where = np.concatenate([np.ones(len(test)), np.zeros(len(strange))])
        floor = np.quantile(known.max(axis=1), 0.05)
        result["out_of_scope"] = len(strange)
        result["auroc_by_confidence"] = round(float(roc_auc_score(where, score)), 4)
        result["rejected_at_95pc_kept"] = round(float((unknown.max(axis=1) < floor).mean()), 4)
    print(json.dumps(result))


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "prepare":
        return prepare(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows")
    parser.add_argument("-C", type=float, default=1.0, help="inverse of the L2 penalty (scikit-learn's default: 1)")
    arguments = parser.parse_args()
    judge(arguments.rows, arguments.C)


if __name__ == "__main__":
    main()
