{{- /* What more than one template of the backups says. The pod carries Velero's chart in its labels: it is a part of it. */ -}}

{{- /*
backup.of: the pod's names, for the helpers of `common`.
  . the root context
*/ -}}
{{- define "backup.of" -}}
name: backup
chart: velero
component: backup
{{- end -}}

{{- /* backup.stores: the stores of this release whose data is dumped, a YAML list. What another runs, another backs up. */ -}}
{{- define "backup.stores" -}}
{{- range $store := list "mysql" "postgresql" "consul" "kafka" }}
{{- if (index $.Values $store).enabled }}
- {{ $store }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* backup.files: the dumps, as kit.py counts them. */ -}}
{{- define "backup.files" -}}
{{- $names := dict "mysql" "mysql.sql" "postgresql" "postgresql.sql" "consul" "consul.snap consul.sum" "kafka" "kafka.topics" -}}
{{- $files := list -}}
{{- range include "backup.stores" . | fromYamlArray -}}
{{- $files = append $files (index $names .) -}}
{{- end -}}
{{- join " " $files -}}
{{- end -}}

{{- /* backup.scripts: the scripts' ConfigMap, what stands under `data:`. */ -}}
{{- define "backup.scripts" -}}
{{- (.Files.Glob "files/backup/*").AsConfig }}
{{ (.Files.Glob "files/web.py").AsConfig }}
{{- end -}}

{{- /*
backup.container: the lines that all containers share.
  context    the root context
  resources
*/ -}}
{{- define "backup.container" -}}
imagePullPolicy: {{ .context.Values.global.imagePullPolicy }}
resources:
  {{- include "common.resources" (dict "resources" .context.Values.velero.dumps.resources) | nindent 2 }}
securityContext:
  {{- include "common.containerSecurityContext" .context | nindent 2 }}
{{- end -}}

{{- /*
backup.mounts: the volumes that all containers share.
*/ -}}
{{- define "backup.mounts" -}}
- {name: dumps, mountPath: /dumps}
- {name: scripts, mountPath: /custos/scripts, readOnly: true}
{{- end -}}
