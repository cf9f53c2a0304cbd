// LZF: two bytes of output size, then the stream.
#include "h5/lzf.hpp"
#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  xpcs::fuzzing::Input input(data, size);
  std::vector<std::uint8_t> out(input.value<std::uint16_t>());
  const auto in = input.take(size);
  if (xpcs::h5::lzf_decode(in, out) > out.size()) std::abort();
  return 0;
}
