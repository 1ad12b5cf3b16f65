{{- /* What more than one template of this chart says. */ -}}

{{- /* postgresql.scope: the StatefulSet's name, which Patroni calls its scope; the names of the pods and of Patroni's ConfigMaps begin with it. */ -}}
{{- define "postgresql.scope" -}}
{{- include "common.name" (dict "context" . "name" "postgresql" "max" 52) -}}
{{- end -}}

{{- /* postgresql.settings: the ConfigMap with the settings. Never <scope>-config: that one is Patroni's own. */ -}}
{{- define "postgresql.settings" -}}
{{- include "postgresql.scope" . }}-settings
{{- end -}}

{{- /* postgresql.usersSecret: the Secret with the password of each user. */ -}}
{{- define "postgresql.usersSecret" -}}
{{- default (include "common.name" (dict "context" . "name" "postgresql-users")) .Values.global.postgresql.existingSecret -}}
{{- end -}}

{{- /* postgresql.databases: databases with their owners and the keys of their passwords, a YAML list. */ -}}
{{- define "postgresql.databases" -}}
- {database: keycloak, owner: keycloak, key: keycloak}
{{- end -}}

{{- /* postgresql.pods: the names of the members' pods, a YAML list. */ -}}
{{- define "postgresql.pods" -}}
{{- range $ordinal := until (int .Values.replicas) }}
- {{ include "postgresql.scope" $ }}-{{ $ordinal }}
{{- end }}
{{- end -}}

{{- /*
postgresql.secrets: what the members need from the Secrets Job.
  context  the chart's context
The passwords of our own roles lie in the volumes, and so do Keycloak's; each is set anew by the primary's agent whenever its Secret says something else.
*/ -}}
{{- define "postgresql.secrets" -}}
{{- $root := .context -}}
{{- $claims := list -}}
{{- range include "postgresql.pods" $root | fromYamlArray -}}
{{- $claims = append $claims (printf "data-%s" .) -}}
{{- end -}}
- name: {{ include "common.name" (dict "context" $root "name" "postgresql-admin") }}
  keys:
    superuser-password: {random: 32, rotatable: true}
    replication-password: {random: 32, rotatable: true}
    rewind-password: {random: 32, rotatable: true}
  volumes:
    {{- toYaml $claims | nindent 4 }}
{{- if not $root.Values.global.postgresql.existingSecret }}
- name: {{ include "common.name" (dict "context" $root "name" "postgresql-users") }}
  keys:
    {{- range include "postgresql.databases" $root | fromYamlArray }}
    {{ .key }}: {random: 32, rotatable: true}
    {{- end }}
{{- end }}
{{- $headless := include "common.host" (dict "context" $root "name" "postgresql" "dot" false) }}
- name: {{ include "common.name" (dict "context" $root "name" "postgresql-tls") }}
  certificate:
    authority: {{ include "common.name" (dict "context" $root "name" "ca") }}
    commonName: {{ include "common.host" (dict "context" $root "name" "postgresql-primary" "dot" false) }}
    dnsNames:
      - {{ include "common.host" (dict "context" $root "name" "postgresql-primary" "dot" false) }}
      - {{ include "common.host" (dict "context" $root "name" "postgresql-replicas" "dot" false) }}
      - {{ $headless }}
      - "*.{{ $headless }}"
{{- end -}}

{{- /*
postgresql.dynamic: the settings that Patroni keeps in its ConfigMap, the same for all members; the agent gives them to it whenever the values say something else.
*/ -}}
{{- define "postgresql.dynamic" -}}
{{- $patroni := .Values.patroni -}}
{{- $many := gt (int .Values.replicas) 1 -}}
{{- $parameters := .Files.Get "files/postgresql.yaml" | fromYaml -}}
{{- $_ := set $parameters "max_connections" (int .Values.maxConnections) -}}
{{- $_ := set $parameters "shared_buffers" .Values.sharedBuffers -}}
{{- range $name, $value := .Values.config -}}
{{- $_ := set $parameters $name $value -}}
{{- end -}}
ttl: {{ int $patroni.ttl }}
loop_wait: {{ int $patroni.loopWait }}
retry_timeout: {{ int $patroni.retryTimeout }}
primary_start_timeout: {{ int $patroni.primaryStartTimeout }}
primary_stop_timeout: 30
# A standby further behind than this (16 MiB) is not promoted; one in the quorum has all that was acknowledged anyway.
maximum_lag_on_failover: 16777216
check_timeline: true
failsafe_mode: true
synchronous_mode: {{ ternary "quorum" "off" $many | quote }}
synchronous_mode_strict: {{ and $many .Values.strict }}
# With the primary itself a majority has every acknowledged write.
synchronous_node_count: {{ max 1 (div (int .Values.replicas) 2) }}
postgresql:
  use_pg_rewind: true
  use_slots: true
  # What a former primary has besides was never acknowledged: it may be copied over where pg_rewind cannot mend it.
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  parameters:
    {{- toYaml $parameters | nindent 4 }}
{{- end -}}

{{- /* postgresql.patroni: the text of patroni.yaml; the pod adds its own part (files/pg_settings.py). */ -}}
{{- define "postgresql.patroni" -}}
scope: {{ include "postgresql.scope" . }}
restapi:
  listen: "*:8008"
  certfile: /etc/custos/tls/tls.crt
  keyfile: /etc/custos/tls/tls.key
  cafile: /etc/custos/tls/ca.crt
  # Whoever changes anything shows a certificate of the internal CA; the kubelet's probes show none.
  verify_client: optional
ctl:
  certfile: /etc/custos/tls/tls.crt
  keyfile: /etc/custos/tls/tls.key
  cacert: /etc/custos/tls/ca.crt
  # The certificate's issuer is checked all the same; what is not is the name, for members are known by address.
  insecure: true
kubernetes:
  labels:
    {{- include "common.selectorLabels" (dict "context" . "component" "server") | nindent 4 }}
  scope_label: cluster-name
  role_label: role
  leader_label_value: primary
  follower_label_value: replica
  standby_leader_label_value: primary
  use_endpoints: false
  bypass_api_service: false
bootstrap:
  dcs:
    {{- include "postgresql.dynamic" . | nindent 4 }}
  initdb:
    - data-checksums
    - encoding: UTF8
    # PostgreSQL's own collation: the same on every distribution, so that no index breaks with a new image.
    - locale: C.UTF-8
    - locale-provider: builtin
    - builtin-locale: C.UTF-8
postgresql:
  listen: "*:5432"
  data_dir: /home/postgres/pgdata/pgroot/data
  pgpass: /run/custos/pgpass
  use_unix_socket: true
  use_unix_socket_repl: true
  callbacks:
    on_start: python3 /custos/scripts/pg_role.py
    on_role_change: python3 /custos/scripts/pg_role.py
  create_replica_methods: [basebackup]
  basebackup:
    - checkpoint: fast
  parameters:
    unix_socket_directories: /run/postgresql
    ssl: "on"
    ssl_cert_file: /etc/custos/tls/tls.crt
    ssl_key_file: /etc/custos/tls/tls.key
    ssl_ca_file: /etc/custos/tls/ca.crt
  pg_hba:
    # Within the pod nobody needs a password: members that have learned a new one before any primary could set it must still be able to elect one.
    - local all postgres peer
    - local replication replicator peer map=pod
    - hostssl replication replicator all scram-sha-256
    - hostssl postgres rewinder all scram-sha-256
    {{- range include "postgresql.databases" . | fromYamlArray }}
    - hostssl {{ .database }} {{ .owner }} all scram-sha-256
    {{- end }}
  pg_ident:
    - pod postgres replicator
{{- end -}}

{{- /* postgresql.environment: what both containers know of their member. */ -}}
{{- define "postgresql.environment" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: NAMESPACE
  value: {{ .Release.Namespace }}
- name: SCOPE
  value: {{ include "postgresql.scope" . }}
- name: LC_ALL
  value: C.UTF-8
# The scripts lie in a folder that nobody can write.
- name: PYTHONDONTWRITEBYTECODE
  value: "1"
- name: PYTHONUNBUFFERED
  value: "1"
{{- end -}}

{{- /*
postgresql.checks: what `helm test` asks of the Services; replicas only where there are any.
  context  the chart's context
*/ -}}
{{- define "postgresql.checks" -}}
{{- $root := .context -}}
{{- range ternary (list "primary" "replicas") (list "primary") (gt (int $root.Values.replicas) 1) }}
{{- $service := printf "postgresql-%s" . }}
- service: {{ $service }}
  tcp: ["{{ include "common.host" (dict "context" $root "name" $service) }}:5432"]
{{- end }}
{{- end -}}
