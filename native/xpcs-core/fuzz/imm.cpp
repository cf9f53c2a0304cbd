// IMM: the first byte chooses the options, the rest is the file.
#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xpcs;
  return fuzzing::accept_errors([&] {
    fuzzing::Input input(data, size);
    const std::uint8_t choice = input.choice();
    ReaderOptions options;
    options.height = 4;
    options.width = 5;
    options.exactShape = (choice & 1) != 0;
    options.unsignedCounts = (choice & 2) != 0;
    const auto reader = open_imm(std::make_unique<MemorySource>(input.rest()), options);
    reader->want(choice >> 6, choice >> 4);
    fuzzing::read_to_end(*reader, 20);
  });
}
