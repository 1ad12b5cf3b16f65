{{- /* What more than one template of this chart says. */ -}}

{{- /* vault.statefulset: its name, which the names of the pods begin with. */ -}}
{{- define "vault.statefulset" -}}
{{- include "common.name" (dict "context" . "name" "vault" "max" 52) -}}
{{- end -}}

{{- /* vault.pods: the names of the pods, a YAML list. */ -}}
{{- define "vault.pods" -}}
{{- range $ordinal := until (int .Values.replicas) }}
- {{ include "vault.statefulset" $ }}-{{ $ordinal }}
{{- end }}
{{- end -}}

{{- /* vault.mounts: the services that have a mount of their own, a YAML list of {service, mount}. */ -}}
{{- define "vault.mounts" -}}
{{- .Files.Get "files/mounts.yaml" -}}
{{- end -}}

{{- /* vault.unsealSecret: the Secret with the key that unseals (seal kubernetesSecret). */ -}}
{{- define "vault.unsealSecret" -}}
{{- include "common.name" (dict "context" . "name" "vault-unseal") -}}
{{- end -}}

{{- /* vault.consulSecret: the Secret with Vault's token for Consul, key vault-token. */ -}}
{{- define "vault.consulSecret" -}}
{{- default (include "common.name" (dict "context" . "name" "consul")) .Values.global.consul.existingSecret -}}
{{- end -}}

{{- /* vault.consulCaSecret: the Secret with the CA of Consul, key ca.crt. */ -}}
{{- define "vault.consulCaSecret" -}}
{{- default (include "common.name" (dict "context" . "name" "vault-tls")) .Values.global.consul.caSecret -}}
{{- end -}}

{{- /* vault.consulUrl: Consul as Vault sees it: the link in its own pod, or the one outside. */ -}}
{{- define "vault.consulUrl" -}}
{{- with .Values.global.consul -}}
{{- if .host -}}https://{{ include "common.urlHost" .host }}:{{ .port }}{{- else -}}https://localhost:8501{{- end -}}
{{- end -}}
{{- end -}}

{{- /*
vault.secrets: what Vault needs from the Secrets Job. The key that unseals is Vault's to make; its Secret is there before, so that the keeper needs no right to
make Secrets. One that is made anew harms nothing: the keeper then asks for the old one.
  context  the chart's context
*/ -}}
{{- define "vault.secrets" -}}
{{- $root := .context -}}
{{- $internal := include "common.host" (dict "context" $root "name" "vault-internal" "dot" false) -}}
- name: {{ include "common.name" (dict "context" $root "name" "vault-tls") }}
  certificate:
    authority: {{ include "common.name" (dict "context" $root "name" "ca") }}
    commonName: {{ include "common.host" (dict "context" $root "name" "vault" "dot" false) }}
    dnsNames:
      - {{ include "common.host" (dict "context" $root "name" "vault" "dot" false) }}
      - localhost
      - {{ $internal }}
      - "*.{{ $internal }}"
{{- if eq $root.Values.seal.type "kubernetesSecret" }}
- name: {{ include "vault.unsealSecret" $root }}
  keys:
    state: {text: new}
  held: [unseal-key]
{{- end }}
{{- end -}}

{{- /* vault.options: Vault's configuration, as JSON, without anything secret. */ -}}
{{- define "vault.options" -}}
{{- $tls := "/etc/custos/tls" -}}
{{- $options := dict
      "disable_mlock" true
      "ui" false
      "cluster_name" .Release.Name
      "listener" (list (dict "tcp" (dict
        "address" "[::]:8200"
        "cluster_address" "[::]:8201"
        "tls_cert_file" (printf "%s/tls.crt" $tls)
        "tls_key_file" (printf "%s/tls.key" $tls)
        "tls_min_version" "tls12")))
      "storage" (dict "consul" (dict
        "address" (include "vault.consulUrl" .)
        "path" "vault/"
        "tls_ca_file" "/etc/custos/consul/ca.crt"
        "session_ttl" "10s"
        "lock_wait_time" "5s"))
      "service_registration" (dict "kubernetes" dict)
      "telemetry" (dict "disable_hostname" true) -}}
{{- $seal := .Values.seal -}}
{{- if eq $seal.type "transit" -}}
{{- $_ := set $options "seal" (dict "transit" $seal.options) -}}
{{- else if eq $seal.type "kms" -}}
{{- $_ := set $options "seal" (dict $seal.provider $seal.options) -}}
{{- end -}}
{{- toPrettyJson $options -}}
{{- end -}}

{{- /* vault.wanted: what the keeper brings Vault to, as JSON; read by files/setup.py. */ -}}
{{- define "vault.wanted" -}}
{{- $mounts := dict -}}
{{- $policies := dict -}}
{{- $roles := dict -}}
{{- range include "vault.mounts" . | fromYamlArray -}}
{{- $_ := set $mounts .mount (dict "type" "kv" "options" (dict "version" "1")) -}}
{{- $_ := set $policies .service (printf "path \"%s/*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }" .mount) -}}
{{- $_ := set $roles .service (dict
      "bound_service_account_names" (list (include "common.name" (dict "context" $ "name" .service)))
      "bound_service_account_namespaces" (list $.Release.Namespace)
      "token_policies" (list .service) "token_ttl" "1h" "token_max_ttl" "24h") -}}
{{- end -}}
{{- $configurator := "custos-configurator" -}}
{{- $_ := set $policies $configurator (.Files.Get "files/configurator.hcl") -}}
{{- $_ := set $roles $configurator (dict
      "bound_service_account_names" (list (include "common.name" (dict "context" . "name" "vault")))
      "bound_service_account_namespaces" (list .Release.Namespace)
      "token_policies" (list $configurator) "token_ttl" "5m" "token_max_ttl" "5m") -}}
{{- dict
      "mounts" $mounts
      "policies" $policies
      "roles" $roles
      "configurator" $configurator
      "audit" .Values.audit
      "kubernetes" (dict "kubernetes_host" (printf "https://kubernetes.default.svc.%s:443" .Values.global.clusterDomain))
    | toPrettyJson -}}
{{- end -}}

{{- /*
vault.checks: what `helm test` asks of the Service.
  context  the chart's context
*/ -}}
{{- define "vault.checks" -}}
- service: vault
  tcp: ["{{ include "common.host" (dict "context" .context "name" "vault") }}:8200"]
{{- end -}}
