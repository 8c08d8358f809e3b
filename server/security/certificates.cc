#include "server/security/certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "config/text_file.h"

namespace walden {
namespace {

constexpr char kCertificateField[] = "security.tls.certificate_file";
constexpr char kKeyField[] = "security.tls.key_file";
constexpr char kAuthoritiesField[] = "security.tls.client_ca_file";

template <typename T, void (*kFree)(T*)>
struct Freer {
  void operator()(T* object) const { kFree(object); }
};
void FreeBio(BIO* bio) { BIO_free(bio); }
using Bio = std::unique_ptr<BIO, Freer<BIO, FreeBio>>;
using Certificate = std::unique_ptr<X509, Freer<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Freer<SSL_CTX, SSL_CTX_free>>;

// A PEM file that the configuration names.
struct PemFile {
  const char* field;
  const std::string& path;
  std::string text;

  absl::Status Error(absl::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", path, " ", problem));
  }
};

absl::Status ReadPem(PemFile& file) {
  absl::StatusOr<std::string> text = ReadTextFile("file", file.path);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat(file.field, ": ", text.status().message()));
  }
  if (text->find('\0') != std::string::npos) return file.Error("is not PEM: it holds a zero byte");
  file.text = *std::move(text);
  return absl::OkStatus();
}

// OpenSSL's text for its last error, which never quotes the file.
std::string OpensslReason() {
  std::string reason = "OpenSSL gives no reason";
  while (const unsigned long code = ERR_get_error()) {
    const char* const words = ERR_reason_error_string(code);
    if (words != nullptr) reason = words;
  }
  return reason;
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) return absl::InfinitePast();
  return absl::FromTM(fields, absl::UTCTimeZone());
}

std::string SubjectOf(X509* certificate) {
  const Bio out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return std::string(text, size > 0 ? static_cast<size_t>(size) : 0);
}

std::string FingerprintOf(X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return "";
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

// All certificates of the file; at least one.
absl::StatusOr<std::vector<Certificate>> ParseCertificates(const PemFile& file) {
  const Bio in(BIO_new_mem_buf(file.text.data(), static_cast<int>(file.text.size())));
  std::vector<Certificate> certificates;
  ERR_clear_error();
  while (true) {
    Certificate certificate(PEM_read_bio_X509_AUX(in.get(), nullptr, nullptr, nullptr));
    if (certificate == nullptr) break;
    certificates.push_back(std::move(certificate));
  }
  const unsigned long end = ERR_peek_last_error();
  const bool clean_end =
      ERR_GET_LIB(end) == ERR_LIB_PEM && ERR_GET_REASON(end) == PEM_R_NO_START_LINE;
  if (clean_end && certificates.empty()) return file.Error("is not PEM, or holds no certificate");
  if (!clean_end) {
    return file.Error(absl::StrCat("holds a damaged certificate, number ", certificates.size() + 1,
                                   ": ", OpensslReason()));
  }
  ERR_clear_error();
  return certificates;
}

absl::StatusOr<Key> ParseKey(const PemFile& file) {
  const Bio in(BIO_new_mem_buf(file.text.data(), static_cast<int>(file.text.size())));
  bool asked = false;
  // A daemon cannot ask for a passphrase.
  const auto passphrase = [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  ERR_clear_error();
  Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, passphrase, &asked));
  if (key != nullptr) return key;
  if (asked) return file.Error("is encrypted with a passphrase; give the key without one");
  return file.Error(absl::StrCat("is not PEM, or holds no private key: ", OpensslReason()));
}

absl::Status CheckDates(const PemFile& file, X509* certificate, absl::Time now) {
  const absl::Time begin = TimeOf(X509_get0_notBefore(certificate));
  const absl::Time end = TimeOf(X509_get0_notAfter(certificate));
  if (now > end) {
    return file.Error(absl::StrCat("expired on ", absl::FormatTime(end, absl::UTCTimeZone())));
  }
  if (now < begin) {
    return file.Error(
        absl::StrCat("is not valid before ", absl::FormatTime(begin, absl::UTCTimeZone())));
  }
  return absl::OkStatus();
}

// Loads them as gRPC will, to find faults early.
absl::Status CheckUsable(const PemFile& chain_file, const PemFile& key_file,
                         const std::vector<Certificate>& chain, EVP_PKEY* key) {
  ERR_clear_error();
  if (X509_check_private_key(chain.front().get(), key) != 1) {
    ERR_clear_error();
    return key_file.Error(absl::StrCat("is not the key of the certificate in ", kCertificateField,
                                       " (", chain_file.path, ")"));
  }
  const Context context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return absl::InternalError(absl::StrCat("OpenSSL: ", OpensslReason()));
  if (SSL_CTX_use_certificate(context.get(), chain.front().get()) != 1) {
    return chain_file.Error(absl::StrCat("cannot be used: ", OpensslReason()));
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) != 1) {
      return chain_file.Error(absl::StrCat("has a certificate, number ", i + 1,
                                           ", that cannot be used: ", OpensslReason()));
    }
  }
  if (SSL_CTX_use_PrivateKey(context.get(), key) != 1) {
    return key_file.Error(absl::StrCat("cannot be used: ", OpensslReason()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Certificates> LoadCertificates(const TlsConfig& config, absl::Time now) {
  PemFile chain_file{kCertificateField, config.certificate_file, ""};
  PemFile key_file{kKeyField, config.key_file, ""};
  PemFile authorities_file{kAuthoritiesField, config.client_ca_file, ""};
  if (absl::Status status = ReadPem(chain_file); !status.ok()) return status;
  if (absl::Status status = ReadPem(key_file); !status.ok()) return status;

  const auto chain = ParseCertificates(chain_file);
  if (!chain.ok()) return chain.status();
  const absl::StatusOr<Key> key = ParseKey(key_file);
  if (!key.ok()) return key.status();
  X509* const own = chain->front().get();
  absl::Status status = CheckUsable(chain_file, key_file, *chain, key->get());
  if (status.ok()) status = CheckDates(chain_file, own, now);
  if (!status.ok()) return status;

  Certificates loaded;
  if (!config.client_ca_file.empty()) {
    if (status = ReadPem(authorities_file); !status.ok()) return status;
    const auto authorities = ParseCertificates(authorities_file);
    if (!authorities.ok()) return authorities.status();
    for (const Certificate& authority : *authorities) {
      if (status = CheckDates(authorities_file, authority.get(), now); !status.ok()) {
        loaded.warnings.push_back(absl::StrCat(status.message(), " (", SubjectOf(authority.get()),
                                               "): no certificate of it is accepted"));
      }
    }
  }
  struct stat key_stat {};
  if (::stat(config.key_file.c_str(), &key_stat) == 0 && (key_stat.st_mode & (S_IROTH | S_IWOTH))) {
    loaded.warnings.push_back(absl::StrCat(
        kKeyField, ": ", config.key_file, " can be read or written by every user of this machine"));
  }
  loaded.chain = std::move(chain_file.text);
  loaded.key = std::move(key_file.text);
  loaded.client_authorities = std::move(authorities_file.text);
  loaded.subject = SubjectOf(own);
  loaded.not_after = TimeOf(X509_get0_notAfter(own));
  loaded.sha256 = FingerprintOf(own);
  return loaded;
}

}  // namespace walden
