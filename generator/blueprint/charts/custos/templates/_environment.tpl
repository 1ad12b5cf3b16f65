{{- /*
custos.environment: the environment of a Java service, as YAML: NAME → text, or NAME → {secret, key}. It wins over what is baked into the image; only
the config server wins over it, so no key may stand in both.
  context  the root context
  name     the service
  service  its facts
*/ -}}
{{- define "custos.environment" -}}
{{- $root := .context -}}
{{- $service := .service -}}
{{- $mends := $root.Values.mends -}}
SPRING_APPLICATION_NAME: {{ $service.application }}
SERVER_PORT: {{ $service.ports.http | quote }}
{{- with $service.ports.grpc }}
GRPC_PORT: {{ . | quote }}
{{- end }}
{{- if eq .name $service.config }}
SPRING_PROFILES_ACTIVE: native
SPRING_CLOUD_CONFIG_SERVER_NATIVE_SEARCHLOCATIONS: file:/etc/custos/configuration/
{{- else }}
SPRING_PROFILES_ACTIVE: {{ $root.Values.profile }}
{{- if $service.configClient }}
SPRING_CLOUD_CONFIG_URI: {{ include "custos.configUrl" . }}
SPRING_CLOUD_CONFIG_FAILFAST: "true"
{{- else }}
{{- range $key, $value := $service.settings }}
{{ include "custos.variable" $key }}: {{ tpl $value $root | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with $service.mysql }}
SPRING_DATASOURCE_URL: {{ include "custos.jdbcUrl" (dict "context" $root "schema" .schema) | quote }}
SPRING_DATASOURCE_USERNAME: {{ .user | default .schema }}
SPRING_DATASOURCE_PASSWORD: {secret: {{ include "custos.secretName" (dict "context" $root "purpose" "mysql") }}, key: {{ $.name }}}
# A connection lives five minutes at most, so that pools find back to a new primary; an idle pod holds one.
SPRING_DATASOURCE_HIKARI_MAXLIFETIME: "300000"
SPRING_DATASOURCE_HIKARI_MINIMUMIDLE: "1"
{{- if $mends.hikariPoolSize }}
SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE: {{ $mends.hikariPoolSize | quote }}
{{- end }}
{{- if not $root.Values.global.mysql.host }}
MYSQL_TRUSTSTORE_PASSWORD: {secret: {{ include "custos.secretName" (dict "context" $root "purpose" "truststore") }}, key: password}
{{- else if $root.Values.global.mysql.caSecret }}
MYSQL_TRUSTSTORE_PASSWORD: {secret: {{ $root.Values.global.mysql.caSecret }}, key: truststore-password}
{{- end }}
{{- end }}
{{- if $service.vault }}
SPRING_CLOUD_VAULT_URI: {{ include "custos.vaultUrl" $root }}
SPRING_CLOUD_VAULT_GENERIC_ENABLED: "false"
# Always: the path that is baked into the image is relative and leads nowhere.
SPRING_CLOUD_VAULT_SSL_TRUSTSTORE: file:{{ include "custos.truststorePath" $root }}
SPRING_CLOUD_VAULT_SSL_TRUSTSTOREPASSWORD: {secret: {{ include "custos.secretName" (dict "context" $root "purpose" "truststore") }}, key: password}
{{- $vault := include "custos.store" (dict "context" $root "store" "vault") | fromYaml }}
SPRING_CLOUD_VAULT_AUTHENTICATION: {{ ternary "KUBERNETES" "TOKEN" (default false $vault.here) }}
{{- if not $vault }}
SPRING_CLOUD_VAULT_TOKEN: absent
MANAGEMENT_HEALTH_VAULT_ENABLED: "false"
{{- else if $vault.here }}
# The login is the pod's own account; the role is called as the service.
SPRING_CLOUD_VAULT_KUBERNETES_ROLE: {{ .name }}
{{- else }}
SPRING_CLOUD_VAULT_TOKEN: {secret: {{ include "custos.secretName" (dict "context" $root "purpose" "vault") }}, key: token}
{{- end }}
{{- end }}
{{- range $key, $source := $service.secrets }}
{{- $secret := include "custos.secretName" (dict "context" $root "purpose" $source.secret) }}
{{ include "custos.variable" $key }}: {{ if $secret }}{secret: {{ $secret }}, key: {{ $source.key }}}{{ else }}absent{{ end }}
{{- end }}
{{- if $mends.tracingOff }}
SPRING_ZIPKIN_ENABLED: "false"
{{- end }}
{{- with $mends.actuatorExposure }}
MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE: {{ . | quote }}
{{- end }}
{{- if $mends.healthGroups }}
MANAGEMENT_ENDPOINT_HEALTH_GROUP_LIVENESS_INCLUDE: ping
MANAGEMENT_ENDPOINT_HEALTH_GROUP_READINESS_INCLUDE: {{ include "custos.readiness" . | quote }}
{{- end }}
{{- end -}}

{{- /* custos.variable: the name under which the environment gives the Spring property `.` */ -}}
{{- define "custos.variable" -}}
{{- upper . | replace "." "_" | replace "-" "_" -}}
{{- end -}}

{{- /*
custos.readiness: what the readiness of a service looks at: its database and Vault, where they are there.
  as custos.environment
*/ -}}
{{- define "custos.readiness" -}}
{{- $looks := splitList "," .service.readiness -}}
{{- if include "custos.without" (dict "context" .context "store" "vault") -}}
{{- $looks = without $looks "vault" -}}
{{- end -}}
{{- join "," $looks -}}
{{- end -}}

{{- /*
custos.env: custos.environment with the service's own `env` over it, as the lines under `env:`. Sorted by name, which puts MYSQL_TRUSTSTORE_PASSWORD
before the URL that quotes it.
  as custos.environment
*/ -}}
{{- define "custos.env" -}}
{{- $environment := include "custos.environment" . | fromYaml -}}
{{- range $name, $value := .service.values.env }}{{ $_ := set $environment $name $value }}{{ end -}}
{{- range $name, $value := $environment }}
- name: {{ $name }}
  {{- if kindIs "map" $value }}
  valueFrom:
    secretKeyRef: {name: {{ $value.secret }}, key: {{ $value.key }}}
  {{- else }}
  value: {{ $value | toString | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /*
custos.properties: the file that the config server gives to a service: its peers and settings. No secret stands in it.
  as custos.environment
*/ -}}
{{- define "custos.properties" -}}
{{- $root := .context -}}
{{- range .service.peers }}
{{- if .prefix }}
{{ .prefix }}.dns.name={{ include "common.host" (dict "context" $root "name" .service) }}
{{ .prefix }}.port={{ .port | default 7000 }}
{{- end }}
{{- end }}
{{- range $key, $value := .service.settings }}
{{ $key }}={{ tpl (toString $value) $root }}
{{- end }}
{{- end -}}

{{- /*
custos.revision: a mark of a service's properties. It stands in the pod (a change rolls it), in the file, and its init container waits until the
config server gives the file with it: no pod starts on the configuration of before.
  as custos.environment
*/ -}}
{{- define "custos.revision" -}}
{{- include "custos.properties" . | sha256sum | trunc 16 -}}
{{- end -}}

{{- /*
custos.allProperties: the files of the config server, `<application>-<profile>.properties` → content, as YAML.
  . the root context
*/ -}}
{{- define "custos.allProperties" -}}
{{- range $name, $service := include "custos.services" . | fromYaml }}
{{- if $service.configClient }}
{{- $of := dict "context" $ "name" $name "service" $service }}
{{ $service.application }}-{{ $.Values.profile }}.properties: |
  custos.platform.revision={{ include "custos.revision" $of }}
  {{- include "custos.properties" $of | trim | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}
