"""Functions that tests put behind routes."""

# Writes each event that it gets to a file, and answers 200.
RECORDER = """
import json, os

def handler(event, context):
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps(event) + "\\n")
    return {"statusCode": 200, "body": "seen"}
"""

# Answers what the message's "answer" says, or does what its "do" says.
OBEDIENT = """
import json, os, time

def handler(event, context):
    wish = json.loads(event.get("body") or os.environ.get("WISH", "{}"))
    if wish.get("do") == "raise":
        raise RuntimeError("as you wish")
    if wish.get("do") == "sleep":
        time.sleep(wish["seconds"])
    return wish.get("answer")
"""
