// Writing side of h5.hpp.
#include <algorithm>
#include <cstring>

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
  if (H5Aexists_by_name(id(), object.c_str(), name.c_str(), H5P_DEFAULT) > 0) H5Adelete_by_name(id(), object.c_str(), name.c_str(), H5P_DEFAULT);
  const Handle attribute(H5Acreate_by_name(id(), object.c_str(), name.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const char* raw = value.c_str();
  if (!attribute.ok() || H5Awrite(attribute.id(), type.id(), &raw) < 0) {
    throw Error(Code::io_failed, "cannot write attribute " + name + " of " + object + " in " + path_);
  }
}

void File::overwrite_number(const std::string& name, double value) {
  const Handle data = dataset(name);
  const Handle space(H5Dget_space(data.id()), H5Sclose);
  const Handle type(H5Dget_type(data.id()), H5Tclose);
  if (H5Sget_simple_extent_npoints(space.id()) != 1 || H5Tget_class(type.id()) != H5T_FLOAT) {
    throw Error(Code::invalid_argument, name + " in the metadata file is not one floating-point number, so it cannot be replaced");
  }
  if (H5Dwrite(data.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &value) < 0) throw Error(Code::io_failed, "cannot write " + name + " into " + path_);
}

void File::zero_elements(const std::string& name, std::span<const std::size_t> elements) {
  const Handle data = dataset(name);
  const Handle space(H5Dget_space(data.id()), H5Sclose);
  const Handle type(H5Dget_type(data.id()), H5Tclose);
  const std::size_t size = H5Tget_size(type.id());
  const auto count = static_cast<std::size_t>(std::max<hssize_t>(H5Sget_simple_extent_npoints(space.id()), 0));
  std::vector<unsigned char> raw(count * size);
  if (H5Dread(data.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) throw Error(Code::corrupt_data, "cannot read " + name + " of " + path_);
  for (const std::size_t element : elements) {
    if (element >= count) throw Error(Code::internal, name + " has no element " + std::to_string(element));
    std::memset(raw.data() + element * size, 0, size);
  }
  if (H5Dwrite(data.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) throw Error(Code::io_failed, "cannot write " + name + " into " + path_);
}

void File::make_group(const std::string& group) {
  if (has(group)) return;
  const Handle links = link_creation();
  const Handle made(H5Gcreate2(id(), group.c_str(), links.id(), H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
  if (!made.ok()) throw Error(Code::io_failed, "cannot make group " + group + " in " + path_);
}

namespace {

constexpr H5Z_filter_t kLzf = 32000;

bool is_lzf(hid_t dataset) {
  const Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  for (int i = 0; i < H5Pget_nfilters(creation.id()); ++i) {
    unsigned flags = 0;
    std::size_t parameters = 0;
    if (H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags, &parameters, nullptr, 0, nullptr, nullptr) == kLzf) return true;
  }
  return false;
}

/// The same attribute on another object.
void copy_attribute(hid_t from, hid_t to, const char* name) {
  const Handle source(H5Aopen(from, name, H5P_DEFAULT), H5Aclose);
  const Handle type(H5Aget_type(source.id()), H5Tclose);
  const Handle space(H5Aget_space(source.id()), H5Sclose);
  const Handle target(H5Acreate2(to, name, type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  std::vector<unsigned char> raw(static_cast<std::size_t>(std::max<hssize_t>(H5Sget_simple_extent_npoints(space.id()), 1)) * H5Tget_size(type.id()));
  if (H5Aread(source.id(), type.id(), raw.data()) < 0) return;
  H5Awrite(target.id(), type.id(), raw.data());
  H5Dvlen_reclaim(type.id(), space.id(), H5P_DEFAULT, raw.data());  // frees what reading strings allocated; does nothing otherwise
}

void copy_attributes(hid_t from, hid_t to) {
  H5Aiterate2(
      from, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr,
      [](hid_t object, const char* name, const H5A_info_t*, void* target) -> herr_t {
        copy_attribute(object, *static_cast<hid_t*>(target), name);
        return 0;
      },
      &to);
}

/// A dataset's values under gzip.
void copy_recompressed(hid_t from, hid_t file, const std::string& name, const std::string& path) {
  const auto fail = [&] { throw Error(Code::corrupt_data, "cannot copy " + name + " into " + path + ": its LZF chunks are damaged"); };
  const Handle type(H5Dget_type(from), H5Tclose);
  const Handle space(H5Dget_space(from), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.id());
  std::vector<hsize_t> shape(static_cast<std::size_t>(std::max(rank, 0)));
  H5Sget_simple_extent_dims(space.id(), shape.data(), nullptr);
  std::vector<unsigned char> raw(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.id())) * H5Tget_size(type.id()));
  if (H5Dread(from, type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) fail();
  const Handle creation = dataset_creation(shape, true);
  const Handle links = link_creation();
  const Handle to(H5Dcreate2(file, name.c_str(), type.id(), space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
  if (!to.ok() || H5Dwrite(to.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) fail();
  copy_attributes(from, to.id());
}

std::vector<std::string> members(hid_t group) {
  std::vector<std::string> names;
  H5Literate(
      group, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr,
      [](hid_t, const char* name, const H5L_info_t*, void* into) -> herr_t {
        static_cast<std::vector<std::string>*>(into)->emplace_back(name);
        return 0;
      },
      &names);
  return names;
}

}  // namespace

std::vector<std::string> File::names(const std::string& group) const {
  const Handle object(H5Oopen(id(), group.c_str(), H5P_DEFAULT), H5Oclose);
  return object.ok() && H5Iget_type(object.id()) == H5I_GROUP ? members(object.id()) : std::vector<std::string>();
}

// Nothing may be deleted from a file between copies into it: HDF5 1.10 has crashed on that.
void File::copy_from(const File& source, const std::string& from, const std::string& to) {
  if (!source.has(from)) throw Error(Code::not_found, source.path() + " has no " + from);
  const Handle object(H5Oopen(source.id(), from.c_str(), H5P_DEFAULT), H5Oclose);
  const H5I_type_t kind = H5Iget_type(object.id());
  if (kind == H5I_GROUP) {
    make_group(to);
    const Handle target(H5Oopen(id(), to.c_str(), H5P_DEFAULT), H5Oclose);
    copy_attributes(object.id(), target.id());
    for (const std::string& name : members(object.id())) {
      if (source.has(from + "/" + name)) copy_from(source, from + "/" + name, to + "/" + name);  // a dangling link is left out
    }
    return;
  }
  if (kind == H5I_DATASET && is_lzf(object.id())) {
    copy_recompressed(object.id(), id(), to, path_);
    return;
  }
  const Handle links = link_creation();
  if (H5Ocopy(source.id(), from.c_str(), id(), to.c_str(), H5P_DEFAULT, links.id()) < 0) {
    throw Error(Code::corrupt_data, "cannot copy " + from + " from " + source.path());
  }
}

void File::remove(const std::string& object) {
  if (H5Ldelete(id(), object.c_str(), H5P_DEFAULT) < 0) throw Error(Code::io_failed, "cannot remove " + object + " from " + path_);
}

void File::flush() const {
  if (H5Fflush(id(), H5F_SCOPE_GLOBAL) < 0) throw Error(Code::io_failed, "cannot write " + path_ + " (disk full?)");
}

}  // namespace xpcs::h5
