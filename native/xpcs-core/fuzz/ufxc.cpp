// UFXC: the first byte chooses the pixel order, the rest is the file.
#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xpcs;
  return fuzzing::accept_errors([&] {
    fuzzing::Input input(data, size);
    ReaderOptions options;
    options.height = 128;
    options.width = 256;
    options.pixelOrder = (input.choice() & 1) != 0 ? PixelOrder::column_major : PixelOrder::row_major;
    const auto reader = open_ufxc(std::make_unique<MemorySource>(input.rest()), options);
    fuzzing::read_to_end(*reader, 128 * 256);
  });
}
