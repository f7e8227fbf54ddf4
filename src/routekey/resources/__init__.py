"""One frozen struct per resource of API Gateway and Lambda; ids, ARNs and quotas."""
