"""A chat room: one function for each route, who is there kept in SQLite."""

import json
import os
import sqlite3

import boto3

HELP = {
    "help": 'send {"action": "say", "text": "hello"} to talk to everybody, {"action": "who"} to see who is here',
}


def room():
    """The table of who is there."""
    database = sqlite3.connect(os.environ["ROOM"], timeout=5)
    database.execute("CREATE TABLE IF NOT EXISTS present (connection TEXT PRIMARY KEY, name TEXT NOT NULL)")
    return database


def names(database):
    return [name for (name,) in database.execute("SELECT name FROM present ORDER BY name")]


def push(event, message, *, to_sender=False):
    """Send `message` to everybody who is there; those who have gone are struck off."""
    context = event["requestContext"]
    url = f"https://{context['domainName']}/{context['stage']}"
    api = boto3.client("apigatewaymanagementapi", endpoint_url=url)
    with room() as database:
        present = [connection for (connection,) in database.execute("SELECT connection FROM present")]
        for connection in present:
            if connection == context["connectionId"] and not to_sender:
                continue
            try:
                api.post_to_connection(ConnectionId=connection, Data=json.dumps(message).encode())
            except api.exceptions.GoneException:
                database.execute("DELETE FROM present WHERE connection = ?", (connection,))


def connect(event, context):
    """$connect: note who comes; ?name=ann says who."""
    connection = event["requestContext"]["connectionId"]
    name = (event.get("queryStringParameters") or {}).get("name") or f"guest-{connection[:4]}"
    with room() as database:
        database.execute("INSERT OR REPLACE INTO present VALUES (?, ?)", (connection, name))
    push(event, {"joined": name})
    return {"statusCode": 200}


def disconnect(event, context):
    """$disconnect: strike off who goes, and tell the others."""
    connection = event["requestContext"]["connectionId"]
    with room() as database:
        row = database.execute("SELECT name FROM present WHERE connection = ?", (connection,)).fetchone()
        database.execute("DELETE FROM present WHERE connection = ?", (connection,))
    push(event, {"left": row[0] if row else "somebody"})
    return {"statusCode": 200}


def say(event, context):
    """The custom route `say`: a message for all the others, and a receipt for the sender."""
    text = json.loads(event["body"]).get("text", "")
    with room() as database:
        connection = event["requestContext"]["connectionId"]
        row = database.execute("SELECT name FROM present WHERE connection = ?", (connection,)).fetchone()
    push(event, {"from": row[0] if row else "somebody", "text": text})
    return {"statusCode": 200, "body": json.dumps({"said": text})}


def who(event, context):
    """The custom route `who`."""
    with room() as database:
        return {"statusCode": 200, "body": json.dumps({"here": names(database)})}


def default(event, context):
    """$default: whatever no other route takes."""
    return {"statusCode": 200, "body": json.dumps(HELP)}
