#!/bin/sh
# Makes the API with the AWS CLI alone, and prints its WebSocket URL:
#
#     ./deploy.sh [ENDPOINT]
set -eu
cd "$(dirname "$0")"
export AWS_ENDPOINT_URL_APIGATEWAYV2="${1:-${AWS_ENDPOINT_URL_APIGATEWAYV2:-http://127.0.0.1:8080}}"
export AWS_PAGER=

API=$(aws apigatewayv2 create-api --name mock --protocol-type WEBSOCKET \
    --route-selection-expression '$request.body.action' --query ApiId --output text)

# The templates are files of their own. `key@=file://...` reads one into a map, but takes no key that begins with `$`:
# so each map has the one key `main`, and the template selection expression is that word.

# mock REQUEST-TEMPLATE: an integration whose template decides the status; prints its id.
mock() {
    aws apigatewayv2 create-integration --api-id "$API" --integration-type MOCK --template-selection-expression main \
        --request-templates "main@=file://templates/$1" --query IntegrationId --output text
}

# answer INTEGRATION KEY RESPONSE-TEMPLATE: what is answered when the status fits the key.
answer() {
    aws apigatewayv2 create-integration-response --api-id "$API" --integration-id "$1" \
        --integration-response-key "$2" --template-selection-expression main \
        --response-templates "main@=file://templates/$3" > /dev/null
}

# route KEY INTEGRATION: prints its id.
route() {
    aws apigatewayv2 create-route --api-id "$API" --route-key "$1" --target "integrations/$2" \
        --query RouteId --output text
}

# two_way KEY INTEGRATION: a route whose answer goes back to the client.
two_way() {
    id=$(route "$1" "$2")
    aws apigatewayv2 create-route-response --api-id "$API" --route-id "$id" --route-response-key '$default' > /dev/null
}

# Nobody comes in without ?token=.
CONNECT=$(mock connect.vm)
answer "$CONNECT" '/401/' connect.refused.vm
answer "$CONNECT" '$default' connect.welcome.vm
route '$connect' "$CONNECT" > /dev/null

# The menu is a list in the template.
MENU=$(mock ok.vm)
answer "$MENU" '$default' menu.vm
two_way menu "$MENU"

# An order's status depends on what is ordered; of the keys that fit a status, the first one counts.
ORDER=$(mock order.vm)
answer "$ORDER" '/200/' order.accepted.vm
answer "$ORDER" '/404/' order.unknown.vm
answer "$ORDER" '/4\d{2}/' order.empty.vm
two_way order "$ORDER"

# The client's own message selects the template: {"action": "hello", "language": "de"}.
HELLO=$(mock ok.vm)
aws apigatewayv2 create-integration-response --api-id "$API" --integration-id "$HELLO" \
    --integration-response-key '$default' --template-selection-expression '${request.body.language}' \
    --response-templates '{
        "de": "{\"hello\": \"Guten Tag\"}",
        "fr": "{\"hello\": \"Bonjour\"}",
        "$default": "{\"hello\": \"Hello\"}"
    }' > /dev/null
two_way hello "$HELLO"

# Whatever no route is for.
HELP=$(mock ok.vm)
answer "$HELP" '$default' help.vm
two_way '$default' "$HELP"

aws apigatewayv2 create-stage --api-id "$API" --stage-name dev > /dev/null
aws apigatewayv2 create-deployment --api-id "$API" --stage-name dev > /dev/null
echo "$(aws apigatewayv2 get-api --api-id "$API" --query ApiEndpoint --output text)/dev"
