// Rigaku: the first byte chooses one file or the six of a 3M, whose lengths follow.
#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xpcs;
  return fuzzing::accept_errors([&] {
    fuzzing::Input input(data, size);
    const std::uint8_t choice = input.choice();
    ReaderOptions options;
    options.firstFrame = choice >> 6;
    if ((choice & 1) == 0) {
      options.height = 4;
      options.width = 5;
      options.pixelOrder = (choice & 2) != 0 ? PixelOrder::column_major : PixelOrder::row_major;
      const auto reader = open_rigaku(std::make_unique<MemorySource>(input.rest()), options);
      fuzzing::read_to_end(*reader, 20);
      return;
    }
    std::vector<NamedSource> sources;
    for (int i = 0; i < 6; ++i) {
      const auto bytes = input.take(std::size_t{input.choice()} * 8);
      std::vector<std::byte> file(bytes.size());
      if (!bytes.empty()) std::memcpy(file.data(), bytes.data(), bytes.size());
      sources.push_back({"module", std::make_unique<MemorySource>(std::move(file))});
    }
    const auto reader = open_rigaku_modules(std::move(sources), options);
    fuzzing::read_to_end(*reader, std::uint64_t{1676} * 2100);
  });
}
