"""Message classes generated from `protos/` by `scripts/gen_protos.py`; committed, never edited.

They live in protobuf's default pool under file names `restate/runtime/pb/*.proto`. Descriptors of users never go there:
each deployment has a pool of its own, so a user's `dev/restate/ext.proto` and ours never meet.
"""
