#include "triton/Net/Curl.h"

namespace triton {

Curl::Curl() {
  SharedLibrary library(TRITON_CURL_SONAME);
  TRITON_CURL_FUNCTIONS(TRITON_SHARED_FIND)
  problem = library.problem();
  if (problem.empty()) curl_global_init(CURL_GLOBAL_DEFAULT);
}

const Curl &libcurl() {
  static const Curl curl;
  return curl;
}

} // namespace triton
