# What the keeper may do after the root token is revoked: everything that setup.py does, and read no secret.
path "sys/mounts" { capabilities = ["read"] }
path "sys/mounts/+" { capabilities = ["create", "update"] }
path "sys/auth" { capabilities = ["read"] }
path "sys/auth/kubernetes" { capabilities = ["create", "update", "sudo"] }
path "auth/kubernetes/config" { capabilities = ["create", "update"] }
path "auth/kubernetes/role/+" { capabilities = ["create", "update"] }
path "sys/policies/acl/+" { capabilities = ["create", "update"] }
path "sys/audit" { capabilities = ["read", "sudo"] }
path "sys/audit/stdout" { capabilities = ["create", "update", "sudo"] }
