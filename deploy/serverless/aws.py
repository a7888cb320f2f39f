"""The files of a function of AWS: a template for `sam deploy`."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from string import Template

from deploy.serverless.digitalocean import yaml
from deploy.serverless.function import Function

HANDLER = '''\
"""The strategy $name as a function: AWS Lambda calls `handler`."""

from pathlib import Path

from openbell.runner.serverless import Function

function = Function(Path(__file__).parent / "strategies" / "$name")


def handler(event, context):
    """Answer one invocation."""
    return function.aws(event, context)
'''
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
LONGEST_EVENT_AGE = 300  # seconds; a slot whose grace is over is not run anyway


def code(_: Function) -> PurePosixPath:
    """Return where the code lies."""
    return PurePosixPath("function")


def files(function: Function) -> Mapping[str, str]:
    """Return the files that the provider needs in addition to the code, by path."""
    return {
        "template.yaml": _HEAD + yaml(_template(function)),
        "function/handler.py": Template(HANDLER).substitute(name=function.name),
    }


def expression(schedule: str) -> str:
    """Return a cron schedule as EventBridge Scheduler writes it."""
    minute, hour, _, _, weekdays = schedule.split()
    start = [field.replace("*/", "0/") for field in (minute, hour)]
    if weekdays == "*":
        return f"cron({' '.join(start)} * * ? *)"
    return f"cron({' '.join(start)} ? * {','.join(DAYS[int(day)] for day in weekdays.split(','))} *)"


def _template(function: Function) -> Mapping[str, object]:
    queue = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    events = {
        f"Slots{number}": {
            "Type": "ScheduleV2",
            "Properties": {
                "ScheduleExpression": expression(schedule),
                "ScheduleExpressionTimezone": function.zone,
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Input": '{"trigger": "schedule"}',
                "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": LONGEST_EVENT_AGE},
                "DeadLetterConfig": {"Arn": queue},
            },
        }
        for number, schedule in enumerate(function.schedules, start=1)
    }
    secret = "{{resolve:secretsmanager:${Secret}:SecretString:%s}}"  # noqa: S105 - a reference, not a value
    properties = {
        "CodeUri": "function/",
        "Handler": "handler.handler",
        "Runtime": f"python{function.provider.python}",
        "Architectures": ["x86_64"],
        "MemorySize": function.memory,
        "Timeout": function.timeout,
        "Environment": {"Variables": {name: {"Fn::Sub": secret % name} for name in function.secrets}},
        "FunctionUrlConfig": {"AuthType": "AWS_IAM"},
        "EventInvokeConfig": {
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": LONGEST_EVENT_AGE,
            "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": queue}},
        },
        "Policies": [{"SQSSendMessagePolicy": {"QueueName": {"Fn::GetAtt": ["DeadLetters", "QueueName"]}}}],
        "Events": events,
    }
    parameter = {
        "Type": "String",
        "Default": f"openbell/{function.name}",
        "Description": "The name of the secret in Secrets Manager that holds the values, by name",
    }
    fortnight = 14 * 24 * 3600
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": f"openbell: the strategy {function.name}",
        "Parameters": {"Secret": parameter},
        "Resources": {
            "Function": {"Type": "AWS::Serverless::Function", "Properties": properties},
            "DeadLetters": {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": fortnight}},
        },
        "Outputs": {"Url": {"Value": {"Fn::GetAtt": ["FunctionUrl", "FunctionUrl"]}}},
    }


_HEAD = """\
# Written by `make serverless`. A call may come twice, from the scheduler as from Lambda's own retries: a slot runs once.
"""
