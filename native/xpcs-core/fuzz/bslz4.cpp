// LZ4 and bitshuffle chunks: the filter, the element size and the chunk's size, then the stored bytes.
#include "h5/bitshuffle.hpp"
#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xpcs;
  fuzzing::Input input(data, size);
  const std::uint8_t choice = input.choice();
  const std::size_t element = (choice >> 2) & 7;
  std::vector<std::uint8_t> out(input.value<std::uint16_t>());
  std::vector<std::uint8_t> scratch(h5::bitshuffle_scratch_bytes(out.size()));
  const std::size_t block = (choice & 2) != 0 ? input.value<std::uint32_t>() : 0;
  const auto in = input.take(size);
  if ((choice & 64) != 0) {
    (void)h5::lz4_block_decode(in, out);
  } else if ((choice & 1) != 0) {
    (void)h5::lz4_chunk_decode(in, out);
  } else {
    (void)h5::bitshuffle_chunk_decode(in, out, {element, block, (choice & 32) == 0}, scratch);
  }
  return 0;
}
