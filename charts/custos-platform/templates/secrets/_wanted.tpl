{{- /*
platform.secrets: what the Secrets Job makes where it is missing, as a YAML list; its entries are described in files/make_secrets.py. Each subchart adds its
own by a template `<chart>.secrets`.
  . the root context
*/ -}}
{{- define "platform.secrets" -}}
{{- $authority := include "common.name" (dict "context" . "name" "ca") -}}
{{- $certificates := .Values.secrets.certificates -}}
{{- $wanted := list
      (dict "name" $authority "authority" (dict "commonName" (printf "%s internal CA" .Release.Name) "days" $certificates.authorityDays))
      (dict "name" (include "common.name" (dict "context" . "name" "truststore")) "truststore" (dict "authority" $authority)) -}}
{{- range $chart, $context := .Subcharts -}}
{{- if ne $chart "common" -}}
{{- range include (printf "%s.secrets" $chart) (dict "context" $context) | fromYamlArray -}}
{{- if .certificate -}}{{- $_ := set .certificate "days" (default $certificates.days .certificate.days) -}}{{- end -}}
{{- $wanted = append $wanted . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $wanted -}}
{{- end -}}

{{- /* platform.hook: the annotations of what must be there before everything else, first its rights, then the Job. */ -}}
{{- define "platform.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
