#!/bin/sh
# Makes a VPC link and an API that uses it with the AWS CLI, and prints the WebSocket URL:
#
#     ./deploy.sh [ENDPOINT]
#
# NLB_ARN names the network load balancer; the gateway looks at no more than the link's name, so here any ARN does.
set -eu
cd "$(dirname "$0")"
ENDPOINT="${1:-${AWS_ENDPOINT_URL_APIGATEWAYV2:-http://127.0.0.1:8080}}"
export AWS_ENDPOINT_URL_APIGATEWAYV2="$ENDPOINT" AWS_ENDPOINT_URL_API_GATEWAY="$ENDPOINT" AWS_PAGER=
NLB_ARN="${NLB_ARN:-arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/workers/50dc6c495c0c9188}"

# WebSocket APIs use the links of version 1, which lead to network load balancers.
LINK=$(aws apigateway create-vpc-link --name workers --target-arns "$NLB_ARN" --query id --output text)
# At once here; some minutes on AWS.
while [ "$(aws apigateway get-vpc-link --vpc-link-id "$LINK" --query status --output text)" = PENDING ]; do
    sleep 5
done

API=$(aws apigatewayv2 create-api --name private --protocol-type WEBSOCKET \
    --route-selection-expression '$request.body.action' --query ApiId --output text)
# The host of the URI is what the service sees as Host; where the connection goes is the link's business.
INTEGRATION=$(aws apigatewayv2 create-integration --api-id "$API" --integration-type HTTP_PROXY \
    --integration-method POST --integration-uri http://workers.internal/messages \
    --connection-type VPC_LINK --connection-id '${stageVariables.vpcLinkId}' \
    --request-parameters 'integration.request.header.connectionId=context.connectionId' \
    --query IntegrationId --output text)
ROUTE=$(aws apigatewayv2 create-route --api-id "$API" --route-key '$default' --target "integrations/$INTEGRATION" \
    --query RouteId --output text)
aws apigatewayv2 create-route-response --api-id "$API" --route-id "$ROUTE" --route-response-key '$default' > /dev/null

# The link is a stage variable, so that each stage can have its own.
aws apigatewayv2 create-stage --api-id "$API" --stage-name dev --stage-variables "vpcLinkId=$LINK" > /dev/null
aws apigatewayv2 create-deployment --api-id "$API" --stage-name dev > /dev/null
echo "$(aws apigatewayv2 get-api --api-id "$API" --query ApiEndpoint --output text)/dev"
