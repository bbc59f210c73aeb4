import boto3
from tests.fakes.queues import MotoQueue, moto_server

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


def test_a_queue_begins_empty_though_a_server_of_this_process_had_one_of_its_name():
    held = []
    for _ in range(2):
        with moto_server() as url:
            queue = MotoQueue(url, "events")
            held.append(queue.records())
            client = boto3.client("sqs", endpoint_url=url, region_name="us-east-1", **KEYS)
            client.send_message(
                QueueUrl=queue.setting.removeprefix("sqs://"), MessageBody="an earlier test's"
            )
            client.close()
            queue.close()

    assert [[], []] == held
