#!/usr/bin/env python3
"""Draws the demo's calls and training rows from the labelled public events. Deterministic; needs nothing installed.

  sample.py EVENTS_FOLDER      writes calls.ndjson and train/TASK.ndjson beside this script

EVENTS_FOLDER holds the events of CREDITS.md as NDJSON {id, source, prompt, truth{label}, strong{answer}, meta}. A row's
place is decided by a hash of its id; a text that is among the calls (case, white space and punctuation aside) is never
among the training rows, nor is one that says the same under another id.
"""
import hashlib
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OUT_OF_SCOPE = "unknown"
LOG_TAIL = 2000  # characters of a build log that a call carries

DOMAINS = {
    "banking": "transfer transactions balance freeze_account pay_bill bill_balance bill_due interest_rate routing "
    "min_payment order_checks pin_change report_fraud account_blocked spending_history",
    "credit_cards": "credit_score report_lost_card credit_limit rewards_balance new_card application_status "
    "card_declined international_fees apr redeem_rewards credit_limit_change damaged_card replacement_card_duration "
    "improve_credit_score expiration_date",
    "kitchen_and_dining": "recipe restaurant_reviews calories nutrition_info restaurant_suggestion ingredients_list "
    "ingredient_substitution cook_time food_last meal_suggestion restaurant_reservation confirm_reservation how_busy "
    "cancel_reservation accept_reservations",
    "home": "shopping_list shopping_list_update next_song play_music update_playlist todo_list todo_list_update "
    "calendar calendar_update what_song order order_status reminder reminder_update smart_home",
    "auto_and_commute": "traffic directions gas gas_type distance current_location mpg oil_change_when oil_change_how "
    "jump_start uber schedule_maintenance last_maintenance tire_pressure tire_change",
    "travel": "book_flight book_hotel car_rental travel_suggestion travel_alert travel_notification carry_on timezone "
    "vaccines translate flight_status international_visa lost_luggage plug_type exchange_rate",
    "utility": "time alarm share_location find_phone weather text spelling make_call timer date calculator "
    "measurement_conversion flip_coin roll_dice definition",
    "work": "direct_deposit pto_request taxes payday w2 pto_balance pto_request_status next_holiday insurance "
    "insurance_change schedule_meeting pto_used meeting_schedule rollover_401k income",
    "small_talk": "greeting goodbye tell_joke where_are_you_from how_old_are_you what_is_your_name who_made_you "
    "thank_you what_can_i_ask_you what_are_your_hobbies do_you_have_pets are_you_a_bot meaning_of_life "
    "who_do_you_work_for fun_fact",
    "meta": "change_ai_name change_user_name cancel user_name reset_settings whisper_mode repeat no yes maybe "
    "change_language change_accent change_volume change_speed sync_device",
}
DOMAIN = {intent: domain for domain, intents in DOMAINS.items() for intent in intents.split()}


def events(folder, source):
    # Texts hold U+2028, so only "\n" ends a row.
    with open(os.path.join(folder, source + ".ndjson"), encoding="utf-8", newline="\n") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    return sorted(rows, key=lambda row: draw(row["id"]))


def draw(identifier):
    return hashlib.sha256(("demo " + identifier).encode()).digest()


def normal(text):
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())


def true_label(row):
    return row["truth"]["label"], "true label (" + row["source"] + ")"


def domain(row):
    label = row["truth"]["label"]
    return DOMAIN.get(label, OUT_OF_SCOPE), "true label (clinc150)"


def recorded(row):
    return row["strong"]["answer"], row["meta"].get("strong_model")


def whole(row):
    return row["prompt"]


def tail(row):
    return row["prompt"][-LOG_TAIL:]


# task, source, the call's frontier answer, the training label, text, calls in scope, calls out of scope, training rows out
# of scope (what remains in scope is trained on).
TASKS = [
    ("route_request", "clinc150", domain, domain, whole, 1400, 120, 300),
    ("banking_intent", "banking77_oos", recorded, true_label, whole, 850, 150, 0),
    ("price_direction", "headlines", true_label, true_label, whole, 400, 0, 0),
    ("ci_triage", "bump", true_label, true_label, tail, 150, 0, 0),
    ("predict_output", "zeroeval_crux", recorded, None, whole, 60, 0, 0),
]


def sample(folder, task, source, answer, label, text, inside, outside, strangers):
    calls, train, taken = [], [], set()
    rows = events(folder, source)
    for scope, wanted in ((False, inside), (True, outside)):
        part = [row for row in rows if (row["truth"]["label"] == OUT_OF_SCOPE) == scope]
        for row in part[:wanted]:
            said, model = answer(row)
            calls.append({"call_id": source + "-" + row["id"], "task_type": task, "input": text(row),
                          "frontier_answer": said, "frontier_model": model})
            taken.add(normal(text(row)))
        if label is None:
            continue
        for row in part[wanted:wanted + strangers] if scope else part[wanted:]:
            if normal(text(row)) in taken:
                continue
            name = label(row)[0]
            truth = {"label": name, "route": "frontier"} if name == OUT_OF_SCOPE else {"label": name}
            train.append({"id": source + "-" + row["id"], "task_type": task, "input": text(row), "truth": truth})
    known = {normal(call["input"]) for call in calls}
    return calls, [row for row in train if normal(row["input"]) not in known]


def write(name, rows):
    with open(os.path.join(HERE, name), "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).replace("\u2028", "\\u2028") + "\n")
    print(f"{name}: {len(rows)} rows")


def main():
    os.makedirs(os.path.join(HERE, "train"), exist_ok=True)
    calls = []
    for task in TASKS:
        part, train = sample(sys.argv[1], *task)
        calls += part
        if train:
            write("train/" + task[0] + ".ndjson", train)
    write("calls.ndjson", sorted(calls, key=lambda call: draw(call["call_id"])))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
