{{- /*
platform.testPorts: the ports that the checks use, once each, as a YAML list.
  . the list of checks
*/ -}}
{{- define "platform.testPorts" -}}
{{- $ports := list -}}
{{- range . -}}
{{- range concat (default list .tcp) (list .health | compact) -}}
{{- $ports = append $ports (regexFind "[0-9]+" (regexFind "\\.:[0-9]+" .) | int) -}}
{{- end -}}
{{- end -}}
{{- toYaml ($ports | uniq | sortAlpha) -}}
{{- end -}}
