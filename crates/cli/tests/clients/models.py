"""Reads back what was published to Azure with the management SDK's typed models, and prints what they make of it, as JSON.
What a model does not know of an answer is an error: the sandbox would have made it up."""

import json
import os
import sys

from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute._utils.model_base import Model

group, gallery, definition, version = sys.argv[1:]
url = os.environ["AZURE_RESOURCE_MANAGER"]
credential = ClientSecretCredential(
    os.environ["AZURE_TENANT_ID"],
    os.environ["AZURE_CLIENT_ID"],
    os.environ["AZURE_CLIENT_SECRET"],
    authority=url,
    disable_instance_discovery=True,
)
client = ComputeManagementClient(
    credential,
    os.environ["AZURE_SUBSCRIPTION_ID"],
    base_url=url,
    credential_scopes=[url + "/.default"],
)


def check(model, path):
    """Every field is one of the model's, and every typed one can be read."""
    known = {field._rest_name: name for name, field in model._attr_to_rest_field.items()}
    for key in model.keys():
        assert key in known, f"{path}: the SDK knows no field {key}"
        value = getattr(model, known[key])
        for index, part in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(part, Model):
                check(part, f"{path}.{key}[{index}]")


read = client.gallery_image_versions.get(group, gallery, definition, version, expand="ReplicationStatus")
images = list(client.images.list_by_resource_group(group))
disks = list(client.disks.list_by_resource_group(group))
parent = client.gallery_images.get(group, gallery, definition)
for model in [client.galleries.get(group, gallery), parent, read, *images, *disks]:
    check(model, model.id)

print(
    json.dumps(
        {
            "regions": {
                region.name: region.regional_replica_count for region in read.properties.publishing_profile.target_regions
            },
            "replication": [region.state for region in read.properties.replication_status.summary],
            "source": read.properties.storage_profile.source.id,
            "generation": parent.properties.hyper_v_generation,
            "features": {feature.name: feature.value for feature in parent.properties.features},
            "images": [(image.name, image.properties.storage_profile.os_disk.os_state) for image in images],
            "disks": [(disk.name, disk.properties.disk_state) for disk in disks],
        }
    )
)
