{{- /*
custos.secrets: what the services need from the Secrets Job: the certificate that cluster-management hands out. Where somebody else makes it (cert-manager,
an operator), it is there already and stays as it is.
  context  the root context
*/ -}}
{{- define "custos.secrets" -}}
{{- $root := .context -}}
{{- if hasKey (include "custos.services" $root | fromYaml) "cluster-management-core-service" }}
{{- with $root.Values.clusterManagement.secretName }}
{{- $host := regexReplaceAll ":[0-9]+$" (urlParse (include "custos.publicUrl" $root)).host "" }}
- name: {{ . }}
  certificate:
    authority: {{ include "common.name" (dict "context" $root "name" "ca") }}
    commonName: {{ $host }}
    dnsNames: [{{ $host }}]
{{- end }}
{{- end }}
{{- end -}}
