// Writing side of h5.hpp.
#include <algorithm>
#include <cstring>
#include <set>

#include "h5.hpp"

namespace xpcs::h5 {

File File::create(const std::string& path) {
  initialize();
  Handle handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  if (!handle.ok()) throw Error(Code::io_failed, "cannot write " + path + ": does its folder exist, and may you write there?");
  return {std::move(handle), path};
}

File File::update(const std::string& path) {
  initialize();
  Handle handle(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
  if (!handle.ok()) throw Error(Code::io_failed, "cannot open " + path + " for writing: is it whole, and may you write to it?");
  return {std::move(handle), path};
}

namespace {

Handle link_creation() {
  Handle list(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(list.id(), 1);
  return list;
}

/// Chunks of one (last two extents) matrix; gzip 1 (higher levels gain little on counts) after byte shuffle, which every reader has.
Handle dataset_creation(const std::vector<hsize_t>& shape, bool deflate) {
  Handle list(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const bool empty = std::any_of(shape.begin(), shape.end(), [](hsize_t n) { return n == 0; });
  if (!deflate || shape.empty() || empty) return list;
  std::vector<hsize_t> chunk(shape.size(), 1);
  for (std::size_t i = shape.size() >= 2 ? shape.size() - 2 : 0; i < shape.size(); ++i) chunk[i] = shape[i];
  H5Pset_chunk(list.id(), static_cast<int>(chunk.size()), chunk.data());
  H5Pset_shuffle(list.id());
  H5Pset_deflate(list.id(), 1);
  return list;
}

Handle variable_text() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.id(), H5T_VARIABLE);
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  return type;
}

}  // namespace

void File::write_raw(const std::string& name, const std::vector<hsize_t>& shape, hid_t fileType, hid_t memoryType, const void* values,
                     std::size_t count, bool deflate) {
  hsize_t n = 1;
  for (const hsize_t extent : shape) n *= extent;
  if (n != count) throw Error(Code::internal, name + ": " + std::to_string(count) + " values for a shape of " + std::to_string(n));
  const Handle space(shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  const Handle links = link_creation();
  const Handle creation = dataset_creation(shape, deflate);
  const Handle data(H5Dcreate2(id(), name.c_str(), fileType, space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
  if (!data.ok() || (n > 0 && H5Dwrite(data.id(), memoryType, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)) {
    throw Error(Code::io_failed, "cannot write " + name + " into " + path_ + " (disk full?)");
  }
}

void File::write(const std::string& name, const std::vector<hsize_t>& shape, std::span<const float> values, bool deflate) {
  write_raw(name, shape, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data(), values.size(), deflate);
}
void File::write(const std::string& name, const std::vector<hsize_t>& shape, std::span<const double> values, bool deflate) {
  write_raw(name, shape, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values.data(), values.size(), deflate);
}
void File::write(const std::string& name, const std::vector<hsize_t>& shape, std::span<const std::int64_t> values, bool deflate) {
  write_raw(name, shape, H5T_STD_I64LE, H5T_NATIVE_INT64, values.data(), values.size(), deflate);
}
void File::write(const std::string& name, const std::vector<hsize_t>& shape, std::span<const std::int32_t> values, bool deflate) {
  write_raw(name, shape, H5T_STD_I32LE, H5T_NATIVE_INT32, values.data(), values.size(), deflate);
}
void File::write(const std::string& name, const std::vector<hsize_t>& shape, std::span<const std::uint8_t> values, bool deflate) {
  write_raw(name, shape, H5T_STD_U8LE, H5T_NATIVE_UINT8, values.data(), values.size(), deflate);
}

void File::write_text(const std::string& name, const std::string& value) {
  const Handle type = variable_text();
  const char* raw = value.c_str();
  write_raw(name, {}, type.id(), type.id(), &raw, 1, false);
}

void File::write_texts(const std::string& name, const std::vector<std::string>& values) {
  const Handle type = variable_text();
  std::vector<const char*> raw;
  for (const std::string& value : values) raw.push_back(value.c_str());
  write_raw(name, {values.size()}, type.id(), type.id(), raw.data(), raw.size(), false);
}

void File::write_attribute(const std::string& object, const std::string& name, const std::string& value) {
  const Handle type = variable_text();
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Handle attribute(H5Acreate_by_name(id(), object.c_str(), name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const char* raw = value.c_str();
  if (!attribute.ok() || H5Awrite(attribute.id(), type.id(), &raw) < 0) {
    throw Error(Code::io_failed, "cannot write attribute " + name + " of " + object + " in " + path_);
  }
}

void File::make_group(const std::string& group) {
  if (has(group)) return;
  const Handle links = link_creation();
  const Handle made(H5Gcreate2(id(), group.c_str(), links.id(), H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
  if (!made.ok()) throw Error(Code::io_failed, "cannot make group " + group + " in " + path_);
}

namespace {

constexpr H5Z_filter_t kLzf = 32000;

/// Paths, relative to the copied object, of datasets that LZF compresses.
std::set<std::string> lzf_datasets(hid_t object) {
  std::set<std::string> found;
  H5Ovisit2(
      object, H5_INDEX_NAME, H5_ITER_NATIVE,
      [](hid_t root, const char* name, const H5O_info_t* facts, void* into) -> herr_t {
        if (facts->type != H5O_TYPE_DATASET) return 0;
        const Handle data(H5Dopen2(root, name, H5P_DEFAULT), H5Dclose);
        const Handle creation(H5Dget_create_plist(data.id()), H5Pclose);
        for (int i = 0; i < H5Pget_nfilters(creation.id()); ++i) {
          unsigned flags = 0;
          std::size_t parameters = 0;
          if (H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags, &parameters, nullptr, 0, nullptr, nullptr) == kLzf) {
            static_cast<std::set<std::string>*>(into)->insert(name);
          }
        }
        return 0;
      },
      &found, H5O_INFO_BASIC);
  return found;
}

/// Replaces a copied dataset by the same values compressed with gzip.
void recompress(hid_t file, const std::string& name, const std::string& path) {
  const auto fail = [&] { throw Error(Code::corrupt_data, "cannot rewrite " + name + " in " + path); };
  const std::string old = name + ".lzf";
  if (H5Lmove(file, name.c_str(), file, old.c_str(), H5P_DEFAULT, H5P_DEFAULT) < 0) fail();
  {
    const Handle from(H5Dopen2(file, old.c_str(), H5P_DEFAULT), H5Dclose);
    const Handle type(H5Dget_type(from.id()), H5Tclose);
    const Handle space(H5Dget_space(from.id()), H5Sclose);
    const int rank = H5Sget_simple_extent_ndims(space.id());
    std::vector<hsize_t> shape(static_cast<std::size_t>(std::max(rank, 0)));
    H5Sget_simple_extent_dims(space.id(), shape.data(), nullptr);
    std::vector<unsigned char> raw(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.id())) * H5Tget_size(type.id()));
    if (H5Dread(from.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) fail();
    const Handle creation = dataset_creation(shape, true);
    const Handle to(H5Dcreate2(file, name.c_str(), type.id(), space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Dclose);
    if (!to.ok() || H5Dwrite(to.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) fail();
  }
  if (H5Ldelete(file, old.c_str(), H5P_DEFAULT) < 0) fail();
}

}  // namespace

void File::copy_from(const File& source, const std::string& from, const std::string& to) {
  if (!source.has(from)) throw Error(Code::not_found, source.path() + " has no " + from);
  const Handle links = link_creation();
  const Handle copy(H5Pcreate(H5P_OBJECT_COPY), H5Pclose);
  H5Pset_copy_object(copy.id(), H5O_COPY_EXPAND_SOFT_LINK_FLAG | H5O_COPY_EXPAND_EXT_LINK_FLAG);
  if (H5Ocopy(source.id(), from.c_str(), id(), to.c_str(), copy.id(), links.id()) < 0) {
    throw Error(Code::corrupt_data, "cannot copy " + from + " from " + source.path());
  }
  std::set<std::string> names;
  {
    const Handle object(H5Oopen(id(), to.c_str(), H5P_DEFAULT), H5Oclose);
    names = lzf_datasets(object.id());
  }
  for (const std::string& name : names) recompress(id(), name == "." ? to : to + "/" + name, path_);
}

void File::remove(const std::string& object) {
  if (H5Ldelete(id(), object.c_str(), H5P_DEFAULT) < 0) throw Error(Code::io_failed, "cannot remove " + object + " from " + path_);
}

void File::flush() const {
  if (H5Fflush(id(), H5F_SCOPE_GLOBAL) < 0) throw Error(Code::io_failed, "cannot write " + path_ + " (disk full?)");
}

}  // namespace xpcs::h5
