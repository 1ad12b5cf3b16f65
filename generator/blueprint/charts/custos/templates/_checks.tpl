{{- /*
custos.checks: what `helm test` asks each service, as a YAML list of {service, health, reaches, tcp}; see the umbrella's files/verify.py.
  context  the root context
*/ -}}
{{- define "custos.checks" -}}
{{- $root := .context -}}
{{- $groups := $root.Values.mends.healthGroups -}}
{{- range $name, $service := include "custos.services" $root | fromYaml }}
{{- $host := include "common.host" (dict "context" $root "name" $name) }}
- service: {{ $name }}
  {{- if $service.application }}
  health: http://{{ $host }}:{{ $service.ports.http }}/actuator/health{{ if $groups }}/readiness{{ end }}
  {{- /* To the config server that path is the configuration of an application named `standin`. */}}
  {{- if ne $name $service.config }}
  reaches: http://{{ $host }}:{{ $service.ports.http }}/standin/reaches
  {{- end }}
  {{- end }}
  {{- $tcp := list }}
  {{- range $port, $number := merge (dict) $service.ports (default dict ($service.sidecar | default dict).ports) }}
  {{- if not (has $port (list "http" "admin")) }}{{ $tcp = append $tcp (printf "%s:%v" $host $number) }}{{ end }}
  {{- end }}
  tcp: {{ toJson $tcp }}
{{- end }}
{{- end -}}
