{{- /* What more than one template of this chart says. */ -}}

{{- /* mysql.statefulset: its name, which the names of the pods begin with. */ -}}
{{- define "mysql.statefulset" -}}
{{- include "common.name" (dict "context" . "name" "mysql" "max" 52) -}}
{{- end -}}

{{- /* mysql.schemas: the services' schemas, a YAML list of {service, schema, user, characterSet}. */ -}}
{{- define "mysql.schemas" -}}
{{- .Files.Get "files/schemas.yaml" -}}
{{- end -}}

{{- /* mysql.usersSecret: the Secret with the password of each service. */ -}}
{{- define "mysql.usersSecret" -}}
{{- default (include "common.name" (dict "context" . "name" "mysql-users")) .Values.global.mysql.existingSecret -}}
{{- end -}}

{{- /* mysql.pods: the names of the group's pods, a YAML list. */ -}}
{{- define "mysql.pods" -}}
{{- range $ordinal := until (int .Values.replicas) }}
- {{ include "mysql.statefulset" $ }}-{{ $ordinal }}
{{- end }}
{{- end -}}

{{- /*
mysql.secrets: what the group needs from the Secrets Job.
  context  the chart's context
The passwords of our own accounts lie in the volumes; those of the services are set anew by the primary whenever their Secret says something else.
*/ -}}
{{- define "mysql.secrets" -}}
{{- $root := .context -}}
{{- $claims := list -}}
{{- range include "mysql.pods" $root | fromYamlArray -}}
{{- $claims = append $claims (printf "data-%s" .) -}}
{{- end -}}
- name: {{ include "common.name" (dict "context" $root "name" "mysql-admin") }}
  keys:
    root-password: {random: 32}
    replication-password: {random: 32}
    agent-password: {random: 32}
    backup-password: {random: 32}
  held: [root-password, replication-password, agent-password]
  volumes:
    {{- toYaml $claims | nindent 4 }}
{{- if not $root.Values.global.mysql.existingSecret }}
- name: {{ include "common.name" (dict "context" $root "name" "mysql-users") }}
  keys:
    {{- range include "mysql.schemas" $root | fromYamlArray }}
    {{ .service }}: {random: 32, rotatable: true}
    {{- end }}
{{- end }}
{{- $headless := include "common.host" (dict "context" $root "name" "mysql" "dot" false) }}
- name: {{ include "common.name" (dict "context" $root "name" "mysql-tls") }}
  certificate:
    authority: {{ include "common.name" (dict "context" $root "name" "ca") }}
    commonName: {{ include "common.host" (dict "context" $root "name" "mysql-primary" "dot" false) }}
    dnsNames:
      - {{ include "common.host" (dict "context" $root "name" "mysql-primary" "dot" false) }}
      - {{ include "common.host" (dict "context" $root "name" "mysql-replicas" "dot" false) }}
      - {{ $headless }}
      - "*.{{ $headless }}"
{{- end -}}

{{- /* mysql.options: the text of my.cnf. What stands later wins. */ -}}
{{- define "mysql.options" -}}
{{ .Files.Get "files/my.cnf" }}
# From the values.
innodb_buffer_pool_size = {{ .Values.bufferPoolSize }}
{{- if .Values.invisiblePrimaryKey }}
# Group Replication refuses writes to tables without a key, and Custos 1.1 makes such tables.
sql_generate_invisible_primary_key = ON
{{- end }}
{{- range $name, $value := .Values.config }}
{{ $name }} = {{ if kindIs "bool" $value }}{{ ternary "ON" "OFF" $value }}{{ else if kindIs "float64" $value }}{{ int64 $value }}{{ else }}{{ $value }}{{ end }}
{{- end }}
{{ end -}}

{{- /*
mysql.environment: what both containers know of their member.
  name      the StatefulSet
  headless  full DNS name of the headless Service, with its last dot
*/ -}}
{{- define "mysql.environment" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: POD_HOST
  value: $(POD_NAME).{{ trimSuffix "." .headless }}
# glibc's arenas would let mysqld's memory grow with its threads.
- name: MALLOC_ARENA_MAX
  value: "2"
{{- end -}}

{{- /* mysql.objectLabels: labels of the two objects that the agents make, which no backup may take along: a restored group is a new one. */ -}}
{{- define "mysql.objectLabels" -}}
{{ include "common.podLabels" (dict "context" . "component" "server") }}
velero.io/exclude-from-backup: "true"
{{- end -}}

{{- /*
mysql.checks: what `helm test` asks of the Services; replicas only where there are any.
  context  the chart's context
*/ -}}
{{- define "mysql.checks" -}}
{{- $root := .context -}}
{{- range ternary (list "primary" "replicas") (list "primary") (gt (int $root.Values.replicas) 1) }}
{{- $service := printf "mysql-%s" . }}
- service: {{ $service }}
  tcp: ["{{ include "common.host" (dict "context" $root "name" $service) }}:3306"]
{{- end }}
{{- end -}}
