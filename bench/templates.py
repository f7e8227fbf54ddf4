"""The mapping templates of the rows that measure them, and what they are rendered from."""

from __future__ import annotations

import json

# A two-way MOCK: what the request template reads is the message. The answer of a MOCK has no body to read, so the
# response template tells what is known of the connection, in about as many bytes as an echo sends.
MOCK_REQUEST = """#set($id = $input.path('$.id'))
{"statusCode": #if($id > 0)200#{else}400#end}"""
MOCK_TYPICAL = '{"type":"pong","to":"$context.connectionId"}'
MOCK_RESPONSE = (
    '{"to":"$context.connectionId","route":"$context.routeKey"'
    '#if($context.stage == "bench"),"stage":"$context.stage"#end}'
)

# HTTP: a document of the backend's own, made from the message; a line for the client, made from the answer.
HTTP_REQUEST = (
    """{"id": $input.json('$.id'), "text": "$util.escapeJavaScript($input.path('$.data'))"""
    """"#if($context.stage != "prod"), "stage": "$context.stage"#end}"""
)
HTTP_REQUEST_SENT = '{"id": 123456, "text": "abcdefghijklmnopqrstuvwxy", "stage": "bench"}'  # for messages.MESSAGE
HTTP_RESPONSE = """{"to": "$context.connectionId", "answer": $input.json('$.answer')}"""

PUT_ITEM = """{
    "TableName": "notes",
    "Item": {
        "board": {"S": $input.json('$.board')},
        "id": {"S": $input.json('$.id')},
        "text": {"S": $input.json('$.text')},
        "by": {"S": "$context.connectionId"},
        "at": {"N": "$context.requestTimeEpoch"}
    }
}"""
PUT_ITEM_RESPONSE = """#if($input.path('$.__type') == "")
{"saved": true, "to": "$context.connectionId"}
#else
{"error": "$util.escapeJavaScript($input.path('$.message'))"}
#end"""
NOTE = json.dumps({"action": "put", "board": "kitchen", "id": "note-000017", "text": 'Buy milk, and "good" coffee'})

# Twenty rows, each with a text to escape and a comma but for the last.
ROWS = """#set($orders = $input.path('$.orders'))
{
    "customer": "$input.path('$.customer')",
    "orders": [
#foreach($order in $orders)
        {"id": $order.id, "title": "$util.escapeJavaScript($order.title)", "price": $order.price}
#if($foreach.hasNext)
        ,
#end
#end
    ],
    "count": $orders.size()
}"""
ORDERS = json.dumps(
    {
        "action": "list",
        "customer": "c-1042",
        "orders": [
            {"id": 5000 + number, "title": f'Shelf "Nr. {number}", oak/beech', "price": 19.5 + number, "paid": True}
            for number in range(20)
        ],
    }
)

CONTEXT = {
    "connectionId": "L0SM9cOFvHcCIhw=",
    "requestId": "L0SM9cOFvHcCIhw=",
    "requestTimeEpoch": 1640429128331,
    "routeKey": "put",
    "stage": "bench",
    "requestOverride": {"header": {}, "path": {}, "querystring": {}},
    "responseOverride": {"header": {}},
}
