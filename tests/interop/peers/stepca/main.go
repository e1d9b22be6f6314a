// step-ca: smallstep's certificate authority, of which Debian ships the libraries but not the
// command. Run it as `step-ca start ca.json`.
package main

import (
	"fmt"
	"os"

	"github.com/smallstep/certificates/commands"
	"github.com/urfave/cli"

	// Keys in files and a CA in this process: the drivers register themselves.
	_ "github.com/smallstep/certificates/cas/softcas"
	_ "github.com/smallstep/certificates/kms/softkms"
)

func main() {
	app := cli.NewApp()
	app.Name = "step-ca"
	app.Commands = []cli.Command{commands.AppCommand}
	if err := app.Run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
