// The lab's object-store plugin for Velero: the part of velero-plugin-for-aws that a store with S3's protocol needs,
// under the same provider name and configuration keys. Upstream's own cannot be had as a Go module here.
package main

import (
	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework"
)

func main() {
	framework.NewServer().
		RegisterObjectStore("velero.io/aws", func(logrus.FieldLogger) (any, error) { return &objectStore{}, nil }).
		Serve()
}
