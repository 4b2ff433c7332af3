"""The AWS chain as a CloudFormation template, and the command that deploys it."""
