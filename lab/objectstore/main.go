// The lab's object store: rclone's `serve s3` over a folder, and nothing else of rclone.
//
//	objectstore serve s3 --addr :9000 FOLDER
//
// Each folder in FOLDER is a bucket. The keys are in $RCLONE_AUTH_KEY, a row of CSV: "ID,SECRET", with the quotes.
package main

import (
	_ "github.com/rclone/rclone/backend/local"
	"github.com/rclone/rclone/cmd"
	_ "github.com/rclone/rclone/cmd/serve"
	_ "github.com/rclone/rclone/cmd/serve/s3"
)

func main() { cmd.Main() }
