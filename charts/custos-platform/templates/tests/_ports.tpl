{{- /*
platform.checks: what `helm test` asks, as a YAML list of {service, health, reaches, tcp} (files/verify.py). Each subchart gives its own by a template
`<chart>.checks`; an entry has `podPort` besides where its Service's port is not the pods'.
  . the root context
*/ -}}
{{- define "platform.checks" -}}
{{- $checks := list -}}
{{- range $chart, $context := .Subcharts -}}
{{- if ne $chart "common" -}}
{{- $checks = concat $checks (include (printf "%s.checks" $chart) (dict "context" $context) | fromYamlArray) -}}
{{- end -}}
{{- end -}}
{{- toYaml $checks -}}
{{- end -}}

{{- /*
platform.testPorts: the ports that the checks use, once each, as a YAML list. A policy means the pods' port, not the Service's.
  . the list of checks
*/ -}}
{{- define "platform.testPorts" -}}
{{- $ports := list -}}
{{- range . -}}
{{- with .podPort }}{{ $ports = append $ports (int .) }}{{ end -}}
{{- range concat (default list .tcp) (list .health | compact) -}}
{{- $ports = append $ports (regexFind "[0-9]+" (regexFind "\\.:[0-9]+" .) | int) -}}
{{- end -}}
{{- end -}}
{{- toYaml ($ports | uniq | sortAlpha) -}}
{{- end -}}
