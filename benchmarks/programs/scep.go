// scep FOLDER - the same messages by micromdm's library, as Debian packages it.
//
// Reads lines "TASK COUNT FILE", does the task that many times, writes what it made last into
// FILE and prints the seconds. Keys and certificates are loaded once, from FOLDER.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/micromdm/scep/v2/cryptoutil/x509util"
	"github.com/micromdm/scep/v2/scep"
	"go.mozilla.org/pkcs7"
)

type client struct {
	key        *rsa.PrivateKey
	ca         *x509.Certificate
	selfSigned *x509.Certificate
	csr        *x509.CertificateRequest
	reply      []byte
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal("scep: ", err)
	}
	return value
}

func load(folder string) client {
	read := func(name string) []byte { return must(os.ReadFile(filepath.Join(folder, name))) }
	open := func(name string) []byte {
		block, _ := pem.Decode(read(name))
		if block == nil {
			log.Fatal("scep: no PEM in ", name)
		}
		return block.Bytes
	}
	return client{
		key:        must(x509.ParsePKCS8PrivateKey(open("key.pem"))).(*rsa.PrivateKey),
		ca:         must(x509.ParseCertificate(open("ca.pem"))),
		selfSigned: must(x509.ParseCertificate(open("self_signed.pem"))),
		csr:        must(x509.ParseCertificateRequest(read("csr.der"))),
		reply:      read("reply.der"),
	}
}

func (c client) encode(csr *x509.CertificateRequest, certificate *x509.Certificate) []byte {
	template := &scep.PKIMessage{
		MessageType: scep.PKCSReq,
		Recipients:  []*x509.Certificate{c.ca},
		SignerKey:   c.key,
		SignerCert:  certificate,
	}
	return must(scep.NewCSRRequest(csr, template)).Raw
}

func (c client) message() []byte {
	return c.encode(c.csr, c.selfSigned)
}

func (c client) pkcsReq() []byte {
	subject := pkix.Name{CommonName: "sensor-17", Organization: []string{"Example"}}
	request := x509util.CertificateRequest{
		CertificateRequest: x509.CertificateRequest{
			Subject:            subject,
			SignatureAlgorithm: x509.SHA256WithRSA,
		},
		ChallengePassword: "a challenge password",
	}
	csr := must(x509.ParseCertificateRequest(
		must(x509util.CreateCertificateRequest(rand.Reader, &request, c.key))))
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))),
		Subject:      subject,
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	certificate := must(x509.ParseCertificate(
		must(x509.CreateCertificate(rand.Reader, template, template, &c.key.PublicKey, c.key))))
	return c.encode(csr, certificate)
}

func (c client) readCertRep() []byte {
	message := must(scep.ParsePKIMessage(c.reply, scep.WithCACerts([]*x509.Certificate{c.ca})))
	if err := message.DecryptPKIEnvelope(c.selfSigned, c.key); err != nil {
		log.Fatal("scep: ", err)
	}
	issued := message.CertRepMessage.Certificate
	if !c.key.PublicKey.Equal(issued.PublicKey) {
		log.Fatal("scep: not the requested key")
	}
	if err := issued.CheckSignatureFrom(c.ca); err != nil {
		log.Fatal("scep: ", err)
	}
	return issued.Raw
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("scep: one argument is required: the folder")
	}
	pkcs7.ContentEncryptionAlgorithm = pkcs7.EncryptionAlgorithmAES128CBC
	c := load(os.Args[1])
	tasks := map[string]func() []byte{
		"pkcs_req":      c.pkcsReq,
		"message":       c.message,
		"read_cert_rep": c.readCertRep,
	}
	input := bufio.NewReader(os.Stdin)
	for {
		var task, path string
		var count int
		if _, err := fmt.Fscan(input, &task, &count, &path); err != nil {
			return
		}
		work, known := tasks[task]
		if !known {
			log.Fatal("scep: unknown task ", task)
		}
		var made []byte
		begin := time.Now()
		for done := 0; done < count; done++ {
			made = work()
		}
		seconds := time.Since(begin).Seconds()
		if err := os.WriteFile(path, made, 0o600); err != nil {
			log.Fatal("scep: ", err)
		}
		fmt.Printf("%.9f\n", seconds)
	}
}
