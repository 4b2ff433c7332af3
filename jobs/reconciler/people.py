"""Tells people: through the topic, and through a webhook if its secret is given."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from reconciler.settings import Settings
from reconciler.tasks import Log
from register_contract.alerts import Alert
from register_run import webhook


@dataclass(frozen=True)
class People:
    """The ways to people; ``secrets`` is boto3's client, None without a webhook."""

    settings: Settings
    sns: Any
    secrets: Any
    log: Log

    def tell(self, alert: Alert) -> None:
        """Send an alert; a webhook that fails is logged, a topic that fails is the task's failure.

        Parameters
        ----------
        alert
            What happened.
        """
        topic = self.settings.topic_arn
        self.sns.publish(TopicArn=topic, Subject=alert.subject, Message=alert.text())
        if not self.settings.alert_secret or self.secrets is None:
            return
        try:
            found = self.secrets.get_secret_value(SecretId=self.settings.alert_secret)
            webhook.read(found["SecretString"], self.settings.alert_format).send(alert)
        except (BotoCoreError, ClientError, KeyError, ValueError) as error:
            # The text of another error could quote the secret.
            reason = error if isinstance(error, ClientError | ValueError) else type(error).__name__
            self.log("webhook_failed", cause=str(reason))
        except webhook.NotDelivered as error:
            self.log("webhook_failed", cause=str(error))
