"""Makes a page blob on an Azurite, by the storage SDK, and prints an address to write to it; or reads it back, and prints which
ranges of it were ever written, as JSON."""

import json
import sys
from datetime import datetime, timedelta, timezone

from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, generate_blob_sas

match sys.argv[1:]:
    case ["make", url, account, key, size]:
        container = BlobServiceClient(url, credential={"account_name": account, "account_key": key}).create_container("vhds")
        blob = container.get_blob_client("abcd")
        blob.create_page_blob(int(size))
        sas = generate_blob_sas(
            account,
            "vhds",
            "abcd",
            account_key=key,
            permission=BlobSasPermissions(read=True, write=True),
            expiry=datetime.now(timezone.utc) + timedelta(hours=1),
        )
        print(f"{blob.url}?{sas}", end="")
    case ["read", url, to]:
        blob = BlobClient.from_blob_url(url)
        with open(to, "wb") as file:
            blob.download_blob().readinto(file)
        print(json.dumps([[found.start, found.end] for found in blob.list_page_ranges()]))
